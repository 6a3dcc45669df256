package peek

// cursor takes the presentation language's types (RFC 8446 section 3) off the front of bytes. Once they ran short it
// returns zero values.
type cursor struct {
	rest  []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.rest) {
		c.rest, c.short = nil, true
		return nil
	}
	taken := c.rest[:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) uint8() uint8 {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) uint16() uint16 {
	if b := c.take(2); b != nil {
		return uint16(b[0])<<8 | uint16(b[1])
	}
	return 0
}

// vector8 takes opaque<0..2^8-1>.
func (c *cursor) vector8() []byte { return c.take(int(c.uint8())) }

// vector16 takes opaque<0..2^16-1>.
func (c *cursor) vector16() []byte { return c.take(int(c.uint16())) }

// done says that all was taken and nothing was missing.
func (c *cursor) done() bool { return !c.short && len(c.rest) == 0 }
