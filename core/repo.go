package core

import (
	"strings"
)

// RepoFile is one file of a git repository.
type RepoFile struct {
	Name string // its path below the .git directory
	Data []byte
}

// RepoPath splits a path at its first .git directory. Both parts are empty for
// a path that is not below one.
func RepoPath(path string) (repo, below string) {
	if rest, ok := strings.CutPrefix(path, ".git/"); ok {
		return ".git", rest
	}
	if i := strings.Index(path, "/.git/"); i >= 0 {
		return path[:i+5], path[i+6:]
	}
	return "", ""
}

// RepoStateName reports whether the content of .git/<name> counts in
// [RepoState]: HEAD, refs, reflogs, the index, operations in progress, and the
// same of linked worktrees and submodules. Objects, hooks, settings, ORIG_HEAD,
// FETCH_HEAD and lock files do not count.
func RepoStateName(name string) bool {
	_, _, ok := stateName(name)
	return ok
}

// RepoState returns the digest of a repository's state as a person understands
// it. Equal digests mean the same HEAD, refs, reflogs, operations in progress
// and index entries (path, mode, object, stage); how refs are packed and what
// the index remembers of the files' times do not matter. Files that do not
// count (see [RepoStateName]) are ignored, and so is the order of files.
//
// What can't be understood counts by its bytes: a repository is then taken for
// changed once too often, which costs a report, never a commit.
func RepoState(files []RepoFile) Digest {
	// A loose ref hides a packed one, so the packed ones come first.
	refs := map[string]string{}
	var records []string
	for _, f := range files {
		if dir, name, ok := stateName(f.Name); ok && name == "packed-refs" {
			if !packedRefs(refs, dir, string(f.Data)) {
				records = append(records, record("file", f.Name, string(f.Data)))
			}
		}
	}
	for _, f := range files {
		dir, name, ok := stateName(f.Name)
		switch {
		case !ok || name == "packed-refs":
		case strings.HasPrefix(name, "refs/"):
			refs[dir+name] = strings.TrimSpace(string(f.Data))
		case name == "index":
			if entries, ok := indexState(string(f.Data)); ok {
				records = append(records, record("index", f.Name, entries))
			} else {
				records = append(records, record("file", f.Name, string(f.Data)))
			}
		case name == "HEAD":
			records = append(records, record("file", f.Name, strings.TrimSpace(string(f.Data))))
		case strings.HasPrefix(name, "logs/") && len(f.Data) == 0:
			// git leaves empty reflogs behind when their entries expire.
		default:
			records = append(records, record("file", f.Name, string(f.Data)))
		}
	}
	for name, value := range refs {
		records = append(records, record("ref", name, value))
	}
	Sort(records, strings.Compare)
	return Sum(records...)
}

// record encodes one fact so that no two lists of facts have the same bytes.
func record(kind, name, value string) string {
	return kind + " " + itoa(int64(len(name))) + " " + name + " " + Sum(value).String() + "\n"
}

// packedRefs adds the refs of a packed-refs file of the repository at dir. It
// reports false, and adds none, where a line is not understood.
func packedRefs(refs map[string]string, dir, data string) bool {
	for _, add := range []bool{false, true} {
		for line := range strings.Lines(data) {
			line = strings.TrimSuffix(line, "\n")
			// A caret repeats what an annotated tag points to.
			if line == "" || line[0] == '#' || line[0] == '^' {
				continue
			}
			id, name, ok := strings.Cut(line, " ")
			if !ok || !isObjectID(id) || !strings.HasPrefix(name, "refs/") {
				return false
			}
			if add {
				refs[dir+name] = id
			}
		}
	}
	return true
}

// isObjectID holds for 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
func isObjectID(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if unhex(s[i]) > 15 {
			return false
		}
	}
	return true
}

// stateName splits a name that counts into the repository inside .git that it
// belongs to ("", "worktrees/x/", "modules/a/b/") and the name there.
func stateName(name string) (dir, rest string, ok bool) {
	if strings.HasSuffix(name, ".lock") {
		return "", "", false // an operation that has not ended, or has died
	}
	at := 0
	for {
		rest = name[at:]
		if countsInRepo(rest) {
			return name[:at], rest, true
		}
		// A submodule's name may hold slashes, so the shortest that fits is taken.
		// Taking a wrong one only makes more files count.
		if at == 0 && !strings.HasPrefix(name, "worktrees/") && !strings.HasPrefix(name, "modules/") {
			return "", "", false
		}
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return "", "", false
		}
		at += i + 1
	}
}

// countsInRepo is [RepoStateName] for one repository.
func countsInRepo(name string) bool {
	switch name {
	case "HEAD", "packed-refs", "index", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD":
		return true
	}
	for _, dir := range stateDirs {
		if strings.HasPrefix(name, dir) {
			// No ref, log or step begins with a dot; the files of file managers do.
			return !strings.Contains(name, "/.")
		}
	}
	return strings.HasPrefix(name, "BISECT_") && !strings.Contains(name, "/")
}

var stateDirs = [...]string{"refs/", "logs/", "reftable/", "rebase-merge/", "rebase-apply/", "sequencer/"}
