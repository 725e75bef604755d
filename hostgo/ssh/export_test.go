package ssh

import "context"

// Compresses reports whether bodies are compressed.
func (c *Client) Compresses(ctx context.Context) bool { return c.conn.packer(ctx) != nil }
