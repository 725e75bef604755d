package hostgo

import "github.com/paperclipai/syncplan/core/plan"

// Report is what one push or pull did.
type Report struct {
	*plan.Report
	UploadedFiles   int64  // whose contents were sent
	UploadedBytes   int64  // bodies that the client's calls wrote, and commands
	DownloadedFiles int64  // whose contents were fetched
	DownloadedBytes int64  // bodies that the client's calls read
	ClientCalls     int64  // failed ones included
	Displaced       string // where displaced versions of this run lie, relative to the workspace; "" if none
	Times
}
