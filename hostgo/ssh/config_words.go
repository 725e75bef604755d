package ssh

import (
	"errors"
	"strings"
)

// splitLine returns the keyword in lower case, and the words of the value. A command is
// one word, as it stands. Whatever is no line of a configuration may change which hosts the
// lines that follow are for.
func splitLine(line string) (keyword string, value []string, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", nil, nil
	}
	i := strings.IndexAny(line+" ", " \t=")
	keyword, line = strings.ToLower(line[:i]), strings.TrimLeft(line[i:], " \t=")
	if strings.Trim(keyword, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return "", nil, errors.New("it does not begin with a keyword")
	}
	if same, ok := renamed[keyword]; ok {
		keyword = same
	}
	if keyword == "proxycommand" && line != "" {
		return keyword, []string{line}, nil
	}
	if value, err = splitWords(line); err == nil && len(value) == 0 {
		err = errors.New(keyword + " has no value")
	}
	return keyword, value, err
}

// renamed are keywords that have another name by now.
var renamed = map[string]string{"identityfile2": "identityfile", "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms"}

// splitWords splits at white space that no quotes hold. A backslash stands before a quote
// or another one that is meant, and # begins a comment.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, open := byte(0), false
	for i := 0; i < len(line); i++ {
		c := line[i]
		escapes := c == '\\' && i+1 < len(line) && (strings.IndexByte(`'"\`, line[i+1]) >= 0 || quote == 0 && line[i+1] == ' ')
		switch {
		case escapes:
			i++
			word.WriteByte(line[i])
		case quote == 0 && (c == ' ' || c == '\t'):
			if open {
				words = append(words, word.String())
				word.Reset()
			}
			open = false
			continue
		case quote == 0 && !open && c == '#':
			return words, nil
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		default:
			word.WriteByte(c)
		}
		open = true
	}
	if quote != 0 {
		return nil, errors.New("a quotation has no end")
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}
