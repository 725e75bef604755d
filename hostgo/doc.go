// Package hostgo executes plans: it scans a workspace, carries out what
// [plan.Next] says against a sandbox client, and brings home what changed there.
// It decides nothing; each rule about what happens to a path is in core/plan and
// core/merge.
//
// # Use
//
// A service makes one [Options] for a workspace and a sandbox, and calls [Push]
// before the sandbox's command and [Pull] after it:
//
//	opts := hostgo.Options{Workspace: "/srv/project", Client: client, Root: "/workspace"}
//	report, err := hostgo.Push(ctx, opts)
//	…
//	report, err = hostgo.Pull(ctx, opts)
//
// [Preview] says what both would do. The sandbox is any [Client]; the folders
// dir and ssh hold two, and clienttest checks one's promises. What else a client
// can do it says by further interfaces: [Streamer] spares calls and memory,
// [Capable] states the limits of its transport, [Identified] names the sandbox in
// the stored state, [Local] its folder where that is one of this host, [Commander]
// runs a person's command.
//
// A service with several sandboxes needs [Identified] or Options.Identity: without a
// name two of them whose Root is the same share what is remembered, and each is taken
// for the other one, replaced: its pulls are refused until a push merges it afresh.
//
// Syncs of one workspace wait for each other, in all processes of the machine;
// those of different workspaces run side by side. A ctx that ends stops a sync
// promptly, and the next one completes it.
//
// # Results
//
// Conflicts and problems are data in the [Report], and no error. A guard that
// refused is a Report as well: its status is [plan.StatusRefused], nothing was
// written, and Guard and Hint say what would unlock it. An error is a
// *[core.Error], for errors.Is with a [core.Code]; a Report may come with it,
// of what was done before.
//
// # What lies on the disk
//
// Base, scan cache and journal are in Options.StateDir, by the workspace's real
// path, the sandbox's identity and the adapter. Staging is in
// WORKSPACE/.paperclip-runtime, and on file systems that are mounted in the workspace
// in ._paperclip-runtime.RUN there, gone after each run; local versions that a pull
// displaced stay there, and Report.Displaced says where. A run that was killed is
// completed or undone by the next, which reads its journal.
package hostgo
