package plan

import (
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/merge"
)

// The dialect classic gives the seed's command strings, byte for byte, and the
// order of its calls. A push replaces the workspace in the sandbox as a whole; a
// pull packs all of it. Nothing in the sandbox proves or checks anything.

// WaivedText says what it means that a promise is not kept.
func WaivedText(promise string) string {
	switch promise {
	case "R4":
		return "the workspace travels as one file, so memory may grow with its size"
	case "D10":
		return "a push removes what is excluded or preserved from the sandbox, but not preserved names at the top"
	case "D13":
		return "a push clears the sandbox before it fills it"
	case "D15":
		return "a push removes work from the sandbox that no pull brought home"
	}
	return ""
}

// classicQuote quotes as the seed does.
func classicQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

func classicShell(script string) string { return "sh -c " + classicQuote(script) }

// classicExcludes are the patterns behind the seed's tar --exclude but its own
// first one.
func (o *Options) classicExcludes() []string {
	return append(append(make([]string, 0, len(o.Exclude)+len(o.SeedExclude)), o.Exclude...), o.SeedExclude...)
}

// wiped is a push as classic makes it: whatever is in the sandbox goes, so it is
// decided against an empty one, without a base.
func (r *Request) wiped() *Request {
	q := *r
	q.Base, q.Remote = nil, &Remote{}
	return &q
}

// classicPush adds the archive and the steps to a push whose decisions are made.
func (p *Plan) classicPush(r *Request) {
	p.DropBase = true
	decisions := p.Decisions.Reader()
	for i := range decisions.Len() {
		if d := decisions.At(i); d.Action == merge.Write {
			p.Uploads.add(i, "", 0)
		}
	}
	rt := RuntimeDir(r.Root, r.Adapter)
	archive := rt + "/workspace-upload.tar"
	w, a := classicQuote(r.Root), classicQuote(archive)
	p.Steps = append(p.Steps,
		Step{Do: StepMakeDir, Path: rt},
		Step{Do: StepUpload, Path: archive},
		Step{Do: StepRun, Command: classicShell("mkdir -p " + w + " && find " + w + " -mindepth 1 -maxdepth 1 " + classicKeeps(r.Options.Preserve) +
			" -exec rm -rf -- {} + && tar -xf " + a + " -C " + w + " && rm -f " + a)})
	for i := range r.Assets {
		key := r.Assets[i].Key
		archive := rt + "/" + key + "-upload.tar"
		d, a := classicQuote(rt+"/"+key), classicQuote(archive)
		p.Steps = append(p.Steps,
			Step{Do: StepUpload, Path: archive, Asset: key},
			Step{Do: StepRun, Asset: key, Command: classicShell("rm -rf " + d + " && mkdir -p " + d + " && tar -xf " + a + " -C " + d + " && rm -f " + a)})
	}
}

// classicKeeps are the tests of find that spare the preserved names, each once.
func classicKeeps(preserve []string) string {
	tests := "! -name " + classicQuote(core.RuntimeDir)
	said := map[string]bool{core.RuntimeDir: true}
	for _, name := range preserve {
		if !said[name] {
			said[name] = true
			tests += " ! -name " + classicQuote(name)
		}
	}
	return tests
}

// classicSurvey returns the plan that fetches the whole workspace.
func classicSurvey(r *Request) *Plan {
	rt := RuntimeDir(r.Root, r.Adapter)
	down := rt + "/workspace-download.tar"
	command := "mkdir -p " + classicQuote(rt) + " && tar -cf " + classicQuote(down) + " -C " + classicQuote(r.Root) + " --exclude " + classicQuote("._*")
	for _, p := range r.Options.classicExcludes() {
		command += " --exclude " + classicQuote(p)
	}
	return &Plan{Op: r.Op, Run: r.Run, Phase: PhaseSurvey, Download: down, Waived: r.waived(), Steps: []Step{
		{Do: StepRun, Command: classicShell(command + " .")}, {Do: StepRead, Path: down}, {Do: StepRemove, Path: down}}}
}

// waived lists the promises (DESIGN section 6) that the dialect does not keep.
func (r *Request) waived() []string {
	if r.Dialect != Classic {
		return nil
	}
	return []string{"R4", "D10", "D13", "D15"}
}

// classicSeal returns the last member of the archive: the marker, which only a
// whole extraction leaves in the sandbox.
func classicSeal(r *Request, p *Plan) []Member {
	return []Member{{Name: classicMarker(r.Adapter), Data: []byte(p.Marker + "\n")}}
}

// classicMarker is the path of the marker below the workspace.
func classicMarker(adapter string) string { return core.RuntimeDir + "/" + adapter + "/marker" }

// validateClassic refuses a workspace that a push must not clear (promise S5),
// bodies in parts, and an asset that would stand where the seed puts an archive.
func (r *Request) validateClassic() error {
	if (r.Root == "/tmp" || r.Root == "/root") && r.RemoteCwd != r.Root {
		return &core.Error{Code: core.CodeUnsafeRoot, Path: r.Root, Field: "root",
			Message: "the classic dialect clears the workspace's folder, and this one holds more",
			Hint:    "name a folder of its own, or use the hardened dialect"}
	}
	if r.Part != 0 {
		return &core.Error{Code: core.CodeUnsupported, Field: "part", Message: "in the classic dialect a body is one file",
			Hint: "use the hardened dialect"}
	}
	for i := range r.Assets {
		if key := r.Assets[i].Key; key == "workspace-upload.tar" || key == "workspace-download.tar" {
			return invalid("assets["+itoa(i)+"].key", "key is a name that the classic dialect uses itself")
		}
	}
	return nil
}
