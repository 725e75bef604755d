package ssh

import (
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paperclipai/syncplan/core"
)

// values reads the values of a configuration. The first that means nothing is its error, as
// with OpenSSH: a setting that is not understood must not leave a connection weaker.
type values struct {
	f      *configFile
	tokens map[byte]string
	err    error
}

func (v *values) fail(keyword, why, hint string) {
	if v.err == nil {
		v.err = &core.Error{Code: core.CodeInvalidRequest, Field: keyword, Message: "the SSH configuration " + why, Hint: hint}
	}
}

func (v *values) bad(keyword, value string) {
	v.fail(keyword, "has a value that is not understood: "+core.DisplayPath(value), "see what OpenSSH makes of it: ssh -G "+v.f.target.Host)
}

// word returns a value that is one of a few, in lower case.
func (v *values) word(keyword, other string, known ...string) string {
	word := strings.ToLower(v.f.or(keyword, other))
	if !slices.Contains(known, word) {
		v.bad(keyword, word)
	}
	return word
}

func (v *values) flag(keyword string) bool {
	word := v.word(keyword, "no", "yes", "true", "no", "false")
	return word == "yes" || word == "true"
}

func (v *values) number(keyword string, other int) int {
	n, err := strconv.Atoi(v.f.or(keyword, strconv.Itoa(other)))
	if err != nil || n < 0 {
		v.bad(keyword, v.f.or(keyword, ""))
	}
	return n
}

// bytes reads the amount of a RekeyLimit, of which 0 is the algorithm's own. How often keys are
// exchanged by time, which may follow, is not up to planner: a sync is over before.
func (v *values) bytes(keyword string) uint64 {
	text := v.f.or(keyword, "default")
	digits := strings.TrimRight(strings.ToLower(text), "kmg")
	n, err := strconv.ParseUint(digits, 10, 33)
	shift, known := map[string]int{"": 0, "k": 10, "m": 20, "g": 30}[strings.ToLower(text[len(digits):])]
	switch {
	case strings.EqualFold(text, "default"):
		return 0
	case err != nil || !known:
		v.bad(keyword, text)
	}
	return n << shift
}

// units of a time, in seconds.
var units = map[string]int64{"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

var (
	timeForm = regexp.MustCompile(`^([0-9]+[smhdw]?)+$`)
	timePart = regexp.MustCompile(`([0-9]+)([smhdw]?)`)
)

// duration reads a time such as 90, 90s or 1m30s, of at most a year.
func (v *values) duration(keyword string, other time.Duration) time.Duration {
	text := strings.ToLower(v.f.or(keyword, "none"))
	if text == "none" {
		return other
	}
	const year = 366 * 86_400
	total := int64(0)
	for _, part := range timePart.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseInt(part[1], 10, 32)
		if total += n * units[part[2]]; err != nil || total > year {
			total = -1
			break
		}
	}
	if total < 0 || !timeForm.MatchString(text) {
		v.bad(keyword, text)
	}
	return time.Duration(total) * time.Second
}

// algorithms returns what a setting leaves of the usual algorithms, or chooses instead.
func (v *values) algorithms(keyword string, usual, more []string) []string {
	list := choose(v.f.or(keyword, ""), usual, more)
	if len(list) == 0 {
		v.fail(keyword, "allows no algorithm that planner knows", "it knows "+strings.Join(usual, ","))
	}
	return list
}

// expand replaces the tokens of a value, and ${NAME} where the environment may have a say.
func (v *values) expand(keyword, text string, environment bool) string {
	var b strings.Builder
	for rest := text; rest != ""; {
		name, after, ends := strings.Cut(strings.TrimPrefix(rest, "${"), "}")
		switch {
		case rest[0] == '%' && len(rest) > 1 && v.tokens[rest[1]] != "":
			b.WriteString(v.tokens[rest[1]])
			rest = rest[2:]
			continue
		case environment && strings.HasPrefix(rest, "${"):
			if value, ok := os.LookupEnv(name); ok && ends {
				b.WriteString(value)
				rest = after
				continue
			}
		case rest[0] != '%':
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		v.bad(keyword, text)
		return text
	}
	return b.String()
}

// file returns the name of a file, in which ~ and ~NAME begin at a home folder.
func (v *values) file(keyword, name string) string {
	if rest, ok := strings.CutPrefix(name, "~"); ok {
		who, below, _ := strings.Cut(rest, "/")
		home := v.f.home
		if who != "" {
			u, err := user.Lookup(who)
			if err != nil {
				v.bad(keyword, name)
				return name
			}
			home = u.HomeDir
		}
		return filepath.Join(home, v.expand(keyword, below, true))
	}
	return v.expand(keyword, name, true)
}

// files returns the names of a list, of which "none" is no file.
func (v *values) files(keyword string, names []string) []string {
	var list []string
	for _, name := range names {
		if !strings.EqualFold(name, "none") {
			list = append(list, v.file(keyword, name))
		}
	}
	return list
}
