package lb

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// coder writes values to the end of b, or reads them from its beginning: what is written by a sequence of calls is read
// by the same sequence. It trusts what it reads, which never left this process.
type coder struct {
	b       []byte
	reading bool
}

func (c *coder) uint64(p *uint64) {
	if !c.reading {
		c.b = binary.AppendUvarint(c.b, *p)
		return
	}
	v, n := binary.Uvarint(c.b)
	*p, c.b = v, c.b[n:]
}

// The other numbers are never negative.

func (c *coder) uint16(p *uint16) {
	v := uint64(*p)
	c.uint64(&v)
	*p = uint16(v) //nolint:gosec // as written
}

func (c *coder) uint32(p *uint32) {
	v := uint64(*p)
	c.uint64(&v)
	*p = uint32(v) //nolint:gosec // as written
}

func (c *coder) int(p *int) {
	v := uint64(*p) //nolint:gosec // see above
	c.uint64(&v)
	*p = int(v) //nolint:gosec // as written
}

func (c *coder) duration(p *time.Duration) {
	v := uint64(*p) //nolint:gosec // see above
	c.uint64(&v)
	*p = time.Duration(v) //nolint:gosec // as written
}

func (c *coder) bool(p *bool) {
	if !c.reading {
		b := byte(0)
		if *p {
			b = 1
		}
		c.b = append(c.b, b)
		return
	}
	*p, c.b = c.b[0] != 0, c.b[1:]
}

func (c *coder) text(p *string) {
	n := len(*p)
	c.int(&n)
	if !c.reading {
		c.b = append(c.b, *p...)
		return
	}
	*p, c.b = string(c.b[:n]), c.b[n:]
}

func (c *coder) addr(p *netip.AddrPort) {
	var raw []byte
	if !c.reading && p.IsValid() {
		raw = p.Addr().AsSlice()
	}
	n := len(raw)
	c.int(&n)
	if n == 0 {
		return
	}
	port := p.Port()
	if c.reading {
		raw, c.b = c.b[:n], c.b[n:]
	} else {
		c.b = append(c.b, raw...)
	}
	c.uint16(&port)
	if a, ok := netip.AddrFromSlice(raw); ok {
		*p = netip.AddrPortFrom(a, port)
	}
}
