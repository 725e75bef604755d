// Package plan turns the three snapshots into plans, as data, and says what to
// do next. It performs no I/O. A host asks with [Next], does what the plan says,
// adds what it found to the request and asks again, until the phase is
// [PhaseApply] or [PhaseBlocked]; then it reports what really happened to
// [Commit], which returns the next base.
//
// # The host's duties
//
// A host holds the workspace's lock from before it scans until base is stored.
//
// It scans the workspace with the rules of the request, chooses a fresh run id
// and a fresh random marker, and asks for the first plan.
//
// On [PhaseSurvey] it executes the steps in order. It reads the downloaded
// archives and the text after them, all of which may be compressed
// ([SurveyUnpacked]), stages each body under its digest and never under its name,
// gives members and text to [ReadSurvey], and puts the result into Request.Remote.
// Nothing local is written before the download has proven complete. Where the command
// leaves "script" in [WhyFile], or ReadSurvey names [FieldSeen], it sets Request.Forget
// and asks again.
//
// On [PhaseFetch] it does the same with [ReadFetch], and adds the digests in
// Fetch to Request.Fetched.
//
// On [PhaseContent] it supplies the contents in Needs, or says that it does
// not have them.
//
// On [PhaseBlocked] it writes nothing, in either tree, and shows Guard.
//
// On [PhaseApply] of a push it packs Uploads in order into one archive, hashing
// what it really reads and noting it in a [Sent], asks [Seal] for the members that end the archive, and
// executes Steps. Where the apply command reports that the sandbox is not as
// the plan expects, nothing was changed: the host sets Request.Look and starts
// again with a new run id. Before it sends the archive it notes the run id where
// a later run finds it, until base is stored: if the upload is cut off, or was
// for nothing, that run names it in Request.Resume and sends only what did not
// arrive.
//
// Where a client runs commands with streams the host sets Request.Stream, and no
// body lies in a file of its own. Where it takes and gives only whole buffers the
// host sets Request.Part, and uploads and downloads are rows of files under the
// names of [PartPath].
//
// On [PhaseApply] of a pull it executes Decisions in the workspace: deletes
// deepest first, then writes in path order, then the rest. Before each write it
// stages the new entry on the same file system, and after each it verifies that
// what was displaced is what Expect says; anything else is an edit that slipped
// in, and is kept. Every parent directory is opened component by component
// without following a link. It keeps a journal, so that a crash at any instant
// can be completed or undone.
//
// In the dialect classic the sandbox proves nothing, so the host does what is
// left of it. It checks that a download is one archive with its end record. The
// archive of a push holds each file under its own name; one that was read again,
// because it changed, stands there again under that name, and one that never
// stood still is reported as sent with the digest of what was sent. Where the
// plan says DropBase, the host removes the stored base before the first command.
//
// It reports one result a decision, and stores the base that [Commit] returns
// only after everything it speaks of is on disk. A result that is missing or
// failed leaves base as it was at that path.
package plan
