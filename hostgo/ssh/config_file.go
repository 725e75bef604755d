package ssh

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/paperclipai/syncplan/core"
	"github.com/paperclipai/syncplan/core/plan"
)

// configFile gathers the values of one host from files in OpenSSH's format.
type configFile struct {
	ctx       context.Context // ends commands that a Match runs
	target    Target          // as the caller named it
	name      string          // of the host in Host lines: the given one, and at a second look the real one
	home, me  string
	top       string // the folder that relative names of included files mean
	values    map[string][]string
	lists     map[string][]string // of keywords whose values add up
	applies   bool
	final     bool // this is the second look
	wantFinal bool // a Match asks for one
}

func newConfigFile(ctx context.Context, t Target, home, me string) *configFile {
	return &configFile{ctx: ctx, target: t, name: t.Host, home: home, me: me,
		values: map[string][]string{}, lists: map[string][]string{"identityfile": nil, "certificatefile": nil}}
}

func (f *configFile) or(keyword, other string) string {
	if v := f.values[keyword]; len(v) > 0 {
		return v[0]
	}
	return other
}

// gather reads the files, and once more if they ask for that. What is set by then stays.
func (f *configFile) gather(files ...string) error {
	if err := f.readAll(files); err != nil || !f.wantFinal {
		return err
	}
	f.name, f.final = canonical(f.hostname()), true
	f.values["hostname"] = []string{strings.ReplaceAll(f.name, "%", "%%")}
	return f.readAll(files)
}

func (f *configFile) readAll(files []string) error {
	for _, name := range files {
		if err := f.read(name, 0); err != nil {
			return err
		}
	}
	return nil
}

// read takes in one file; one that does not exist is empty.
func (f *configFile) read(name string, level int) error {
	file, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil
	}
	bad := func(err error) error {
		return &core.Error{Code: core.CodeIO, Path: name, Message: "the SSH configuration can't be read", Err: err}
	}
	if err != nil {
		return bad(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return bad(err)
	}
	if err := f.trust(name, level, info); err != nil {
		return err
	}
	if level == 0 {
		f.top = filepath.Dir(name)
	}
	f.applies = true
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		keyword, value, err := splitLine(lines.Text())
		if err == nil {
			err = f.take(keyword, value, level)
		}
		switch e := err.(type) {
		case nil:
		case *core.Error:
			return e
		default:
			return &core.Error{Code: core.CodeInvalidRequest, Path: name, Message: "the SSH configuration is not understood",
				Err: fmt.Errorf("line %d: %w", n, err)}
		}
	}
	if err := lines.Err(); err != nil {
		return bad(err)
	}
	return nil
}

// trust refuses a file in which somebody else may write: it can name commands. One that the
// caller named, and the system's, are taken as they are.
func (f *configFile) trust(name string, level int, info fs.FileInfo) error {
	if level == 0 && name != userConfig(f.home) || ownersOnly(info, f.me) {
		return nil
	}
	return &core.Error{Code: core.CodePermission, Path: name, Message: "the SSH configuration may be written by others",
		Hint: "if it is as you want it, take it for yourself: chmod go-w " + plan.Word(name)}
}

// take carries out a line. Of a keyword the first value counts, but those of lists add up.
func (f *configFile) take(keyword string, value []string, level int) (err error) {
	switch keyword {
	case "":
		return nil
	case "host":
		f.applies = listed(value, f.name)
		return nil
	case "match":
		f.applies, err = f.matches(value)
		return err
	}
	if !f.applies {
		return nil
	}
	if slices.Contains(value, "") {
		return errors.New(keyword + " has an empty value")
	}
	if keyword == "include" {
		err := f.include(value, level)
		f.applies = true
		return err
	}
	if list, adds := f.lists[keyword]; adds {
		if len(value) > 1 {
			return errors.New("a file name with a space wants quotes")
		}
		if !slices.Contains(list, value[0]) {
			f.lists[keyword] = append(list, value[0])
		}
		return nil
	}
	if _, set := f.values[keyword]; !set && !f.excluded(keyword) {
		f.values[keyword] = value
	}
	return nil
}

// excluded reports whether the way that is set to a host leaves no room for another one.
func (f *configFile) excluded(keyword string) bool {
	switch keyword {
	case "proxyjump":
		return f.or("proxycommand", "") != ""
	case "proxycommand":
		return !strings.EqualFold(f.or("proxyjump", "none"), "none")
	}
	return false
}

func (f *configFile) include(patterns []string, level int) error {
	if level == maxInclude {
		return &core.Error{Code: core.CodeLimit, Path: f.top, Message: "the SSH configuration includes too many levels of files"}
	}
	for _, pattern := range patterns {
		if rest, ok := strings.CutPrefix(pattern, "~/"); ok {
			pattern = filepath.Join(f.home, rest)
		} else if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(f.top, pattern)
		}
		found, _ := filepath.Glob(pattern) // a pattern that is none names no file
		for _, name := range found {
			if err := f.read(name, level+1); err != nil {
				return err
			}
		}
	}
	return nil
}
