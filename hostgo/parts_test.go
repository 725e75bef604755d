package hostgo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/paperclipai/syncplan/core/plan"
)

// drawer is a client of files in memory, which takes so many writes.
type drawer struct {
	Client
	files map[string]string
	takes int
}

var errFull = errors.New("nothing more is taken")

func (c *drawer) WriteFile(_ context.Context, path string, data []byte) error {
	if c.takes--; c.takes < 0 {
		return errFull
	}
	c.files[path] = string(data)
	return nil
}

func (c *drawer) ReadFile(_ context.Context, path string) ([]byte, error) {
	data, ok := c.files[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(data), nil
}

// TestR4_ABodyIsTheSumOfItsParts writes bodies of any length about those of whole parts, and reads them back. No part is
// longer than agreed, none but that of an empty body is empty, and what fails on the way is no end of a body.
func TestR4_ABodyIsTheSumOfItsParts(t *testing.T) {
	const part = plan.PartUnit
	for _, bound := range []int64{0, part} {
		for _, size := range []int{0, 1, part - 1, part, part + 1, 2*part - 1, 2 * part, 2*part + 1} {
			t.Run(fmt.Sprintf("%d bytes in parts of %d", size, bound), func(t *testing.T) {
				body := strings.Repeat("0123456", size/7+1)[:size]
				parts := 1
				if bound > 0 {
					parts = max(1, (size+part-1)/part)
				}
				c := &drawer{files: map[string]string{}, takes: parts}
				s := &session{client: c, request: &plan.Request{Part: bound}}
				require.NoError(t, s.writeParts(t.Context(), "/f", iotest.HalfReader(strings.NewReader(body))))
				require.Len(t, c.files, parts)
				joined := ""
				for i := range parts {
					name, err := plan.PartPath("/f", i)
					require.NoError(t, err)
					require.True(t, bound == 0 || len(c.files[name]) <= part)
					joined += c.files[name]
				}
				require.Equal(t, body, joined)

				// What the sandbox packs ends in a part that is not full.
				var got strings.Builder
				name, err := plan.PartPath("/f", parts)
				require.NoError(t, err)
				if bound > 0 && size == parts*part {
					require.ErrorIs(t, s.readParts(t.Context(), "/f", io.Discard), fs.ErrNotExist)
					c.files[name] = ""
				}
				require.NoError(t, s.readParts(t.Context(), "/f", &got))
				require.Equal(t, body, got.String())
				_, closed := io.Pipe()
				closed.Close()
				require.ErrorIs(t, s.readParts(t.Context(), "/f", closed), io.ErrClosedPipe)

				c.takes = parts - 1
				require.ErrorIs(t, s.writeParts(t.Context(), "/f", strings.NewReader(body)), errFull)
				c.takes = parts
				cut := io.MultiReader(strings.NewReader(body), iotest.ErrReader(errFull))
				require.ErrorIs(t, s.writeParts(t.Context(), "/f", cut), errFull)
			})
		}
	}
}
