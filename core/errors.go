package core

import (
	"strconv"
	"unicode/utf8"
)

// Code names a class of error. The list is closed; the same codes appear as
// err.code in JavaScript and as error.code in the command line's --json.
//
// A Code is itself an error, so that errors.Is(err, core.CodeCorrupt) holds for
// every [Error] of that code.
type Code string

// The codes.
const (
	CodeUsage           Code = "usage"            // the command line is wrong
	CodeInvalidRequest  Code = "invalid_request"  // a request, plan or result does not have the documented form
	CodeInvalidPath     Code = "invalid_path"     // a path breaks the wire rules
	CodeInvalidSnapshot Code = "invalid_snapshot" // entries are unsorted, repeated or lack a parent
	CodeInvalidPattern  Code = "invalid_pattern"  // an exclude pattern can't be compiled
	CodeNewerVersion    Code = "newer_version"    // written by a newer release
	CodeLimit           Code = "limit_exceeded"   // larger, longer or deeper than the bound that the message names
	CodeCorrupt         Code = "corrupt"          // bytes fail their digest, count or end record
	CodeStalePlan       Code = "stale_plan"       // what a step expected to find is not there any more
	CodeUnsafeRoot      Code = "unsafe_root"      // the workspace or sandbox folder is missing, a system folder, or inside the other
	CodeUnsupported     Code = "unsupported"      // this platform, client or tool can't do it
	CodeClient          Code = "client_failed"    // a sandbox client's call failed
	CodeTimeout         Code = "timeout"          // a step took longer than it was given
	CodeCancelled       Code = "cancelled"        // the caller stopped it
	CodeBusy            Code = "busy"             // another sync holds the workspace or the sandbox
	CodeNoSpace         Code = "no_space"         // the disk is full
	CodePermission      Code = "permission"       // the system refused access
	CodeIO              Code = "io_failed"        // any other failure of the host's file system
)

// Codes returns the closed list in a fixed order.
func Codes() []Code {
	return []Code{CodeUsage, CodeInvalidRequest, CodeInvalidPath, CodeInvalidSnapshot, CodeInvalidPattern,
		CodeNewerVersion, CodeLimit, CodeCorrupt, CodeStalePlan, CodeUnsafeRoot, CodeUnsupported, CodeClient,
		CodeTimeout, CodeCancelled, CodeBusy, CodeNoSpace, CodePermission, CodeIO}
}

// Error makes a code usable as the target of errors.Is.
func (c Code) Error() string { return string(c) }

// MaxMessage bounds the text of an error in bytes (promise S6): a message never
// carries a payload, a credential or a whole script.
const MaxMessage = 4096

// Error is the one error type of this project.
type Error struct {
	Code    Code
	Path    string // the workspace path it is about, if any, as it is on disk
	Field   string // the field of a request or document it is about, if any
	Message string // what is wrong, for people
	Hint    string // what to do about it, for people; may be empty
	Err     error  // the cause, if any
}

// Error returns "message (path or field): cause", cut to [MaxMessage] bytes but
// never inside a character, with control characters escaped (promise S8): a cause
// may name a path as it is on disk.
func (e *Error) Error() string {
	s := e.Message
	if s == "" {
		s = string(e.Code)
	}
	if e.Path != "" {
		s += " (" + DisplayPath(e.Path) + ")"
	} else if e.Field != "" {
		s += " (" + DisplayPath(e.Field) + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if s = DisplayText(s); len(s) <= MaxMessage {
		return s
	}
	end := MaxMessage - len("...")
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "..."
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is this error's code.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c == e.Code
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
