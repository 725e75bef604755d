package main

import (
	"fmt"

	"github.com/paperclipai/syncplan/internal/sshd"
)

// vars are the folders of one peer in one round.
type vars struct {
	local, box, work string
	ssh              bool
}

// peer is one way to sync. Its steps are shell scripts: cold push, push of
// nothing, small pull, pull of nothing. An empty one is none that it has.
type peer struct {
	name  string
	steps [4]func(vars) string
}

// tools write the command lines of the peers.
type tools struct {
	server *sshd.Server // nil where no row goes over ssh
	rsh    string       // the command that reaches it
}

func peers(s *sshd.Server) []peer {
	t := tools{server: s}
	if s != nil {
		t.rsh = s.Command()
	}
	return []peer{
		{"planner", [4]func(vars) string{t.planner("push"), t.planner("push"), t.planner("pull"), t.planner("pull")}},
		{"seed", [4]func(vars) string{seedPush(t.rsh), seedPush(t.rsh), seedPull(t.rsh), seedPull(t.rsh)}},
		{"rsync", [4]func(vars) string{t.rsync(false), t.rsync(false), t.rsync(true), t.rsync(true)}},
		{"tar", [4]func(vars) string{t.tar(false), t.tar(false), t.tar(true), t.tar(true)}},
		{"unison", [4]func(vars) string{t.unison, t.unison, t.unison, t.unison}},
		{"rclone", [4]func(vars) string{t.rclone(true), t.rclone(false), t.rclone(false), t.rclone(false)}},
	}
}

func (t tools) planner(op string) func(vars) string {
	return func(v vars) string {
		to, home := "dir:"+v.box, ""
		if v.ssh {
			to, home = "ssh://box"+v.box, `HOME=$SSHHOME `
		}
		return fmt.Sprintf(`%s"$PLANNER" %s -q --state %s --sandbox %s %s`, home, op, q(v.work+"/state"), q(to), q(v.local))
	}
}

func (t tools) rsync(back bool) func(vars) string {
	return func(v vars) string {
		from, to, opt := v.local+"/", v.box+"/", ""
		if back {
			from, to = to, from
		}
		if v.ssh {
			opt = " -e " + q(t.rsh)
			if back {
				from = "box:" + from
			} else {
				to = "box:" + to
			}
		}
		return "rsync -a --delete" + opt + " " + q(from) + " " + q(to)
	}
}

func (t tools) tar(back bool) func(vars) string {
	return func(v vars) string {
		pack, unpack := "tar -C "+q(v.local)+" -cf - .", "tar -C "+q(v.box)+" -xf -"
		if back {
			// tar deletes nothing, so the workspace is emptied first.
			pack, unpack = "tar -C "+q(v.box)+" -cf - .", "find "+q(v.local)+" -mindepth 1 -delete; tar -C "+q(v.local)+" -xf -"
		}
		if v.ssh && back {
			pack = t.rsh + " box " + q(pack)
		} else if v.ssh {
			unpack = t.rsh + " box " + q(unpack)
		}
		return pack + " | { " + unpack + "; }"
	}
}

func (t tools) unison(v vars) string {
	there, opt := v.box, ""
	if v.ssh {
		there, opt = "ssh://box/"+v.box, " -sshcmd ssh -sshargs "+q("-F "+t.server.Config)
	}
	return fmt.Sprintf("UNISON=%s unison -batch -silent -auto -confirmbigdel=false -times%s %s %s", q(v.work+"/unison"), opt, q(v.local), q(there))
}

func (t tools) rclone(first bool) func(vars) string {
	return func(v vars) string {
		there, more := v.box, ""
		if v.ssh {
			there = fmt.Sprintf(":sftp,host=127.0.0.1,port=%s,user=%s,key_file=%s,shell_type=unix:%s", t.server.Port, t.server.User, t.server.KeyFile, v.box)
		}
		if first {
			more = " --resync"
		}
		return fmt.Sprintf("rclone bisync --force --links --workdir %s%s %s %s", q(v.work+"/rclone"), more, q(v.local), q(there))
	}
}

// seedPush does what the system does that this one outgrows: hash all, one
// archive, one upload, wipe, unpack.
func seedPush(rsh string) func(vars) string {
	return func(v vars) string {
		there := "find " + q(v.box) + " -mindepth 1 -maxdepth 1 -exec rm -rf -- {} + && tar -xf " + q(v.work+"/up.tar") + " -C " + q(v.box)
		upload := "cp " + q(v.work+"/here.tar") + " " + q(v.work+"/up.tar")
		if v.ssh {
			upload = rsh + " box " + q("cat >"+q(v.work+"/up.tar")) + " <" + q(v.work+"/here.tar")
			there = rsh + " box " + q(there)
		}
		return hashAll(v.local, v.work+"/base") + " && tar -C " + q(v.local) + " -cf " + q(v.work+"/here.tar") + " . && " + upload + " && " + there
	}
}

// seedPull packs all, downloads, unpacks beside the workspace, hashes both, and
// takes over what differs.
func seedPull(rsh string) func(vars) string {
	return func(v vars) string {
		fresh := v.work + "/fresh"
		there := "tar -C " + q(v.box) + " -cf " + q(v.work+"/down.tar") + " ."
		download := "cp " + q(v.work+"/down.tar") + " " + q(v.work+"/got.tar")
		if v.ssh {
			there = rsh + " box " + q(there)
			download = rsh + " box " + q("cat "+q(v.work+"/down.tar")) + " >" + q(v.work+"/got.tar")
		}
		return there + " && " + download + " && mv " + q(fresh) + " " + q(v.work) + "/old.$$ 2>/dev/null || : && mkdir " + q(fresh) + " && tar -xf " + q(v.work+"/got.tar") + " -C " + q(fresh) +
			" && " + hashAll(fresh, v.work+"/theirs") + " && " + hashAll(v.local, v.work+"/ours") +
			" && { comm -13 " + q(v.work+"/ours") + " " + q(v.work+"/theirs") + " | cut -c67- | while IFS= read -r f; do cp -p " + q(fresh) + "/\"$f\" " + q(v.local) + "/\"$f\"; done; } && cut -c67- " + q(v.work+"/theirs") + " | sort >" + q(v.work+"/t") + " && cut -c67- " + q(v.work+"/ours") + " | sort | comm -23 - " + q(v.work+"/t") + " | while IFS= read -r f; do rm -f " + q(v.local) + "/\"$f\"; done"
	}
}

func hashAll(dir, to string) string {
	return "(cd " + q(dir) + " && find . -path ./.paperclip-runtime -prune -o -type f -exec sha256sum {} + | sort >" + q(to) + ")"
}
