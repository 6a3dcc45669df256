package ws

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

func TestHeaderRoundTrip(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	tests := []struct {
		name   string
		header Header
		length int
	}{
		{name: "empty", header: Header{Final: true, Opcode: OpBinary}, length: 2},
		{name: "longest seven-bit length", header: Header{Final: true, Opcode: OpBinary, Length: 125}, length: 2},
		{name: "shortest 16-bit length", header: Header{Final: true, Opcode: OpBinary, Length: 126}, length: 4},
		{name: "longest 16-bit length", header: Header{Opcode: OpBinary, Length: math.MaxUint16}, length: 4},
		{name: "shortest 64-bit length", header: Header{Opcode: OpBinary, Length: math.MaxUint16 + 1}, length: 10},
		{name: "masked", header: Header{Final: true, Opcode: OpBinary, Masked: true, Key: key, Length: 128}, length: 8},
		{
			name:   "longest header",
			header: Header{Opcode: OpBinary, Masked: true, Key: key, Length: math.MaxInt64}, length: MaxHeader,
		},
		{name: "close", header: Header{Final: true, Opcode: OpClose, Length: 2}, length: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := AppendHeader(nil, tt.header)
			if len(wire) != tt.length {
				t.Errorf("%d bytes on the wire, want %d", len(wire), tt.length)
			}
			got, n, err := ParseHeader(append(wire, "payload"...))
			if err != nil || n != len(wire) || got != tt.header {
				t.Errorf("ParseHeader gave %+v, %d, %v; want %+v, %d", got, n, err, tt.header, len(wire))
			}
			for cut := range wire {
				if _, _, err := ParseHeader(wire[:cut]); !errors.Is(err, ErrShort) {
					t.Errorf("the first %d bytes: %v, want ErrShort", cut, err)
				}
			}
		})
	}
}

func TestHeaderMalformed(t *testing.T) {
	tests := []struct {
		name string
		wire []byte
	}{
		{name: "reserved bit", wire: []byte{0xC2, 0}},
		{name: "fragmented close", wire: []byte{0x08, 0}},
		{name: "long ping", wire: []byte{0x89, 126, 0, 126}},
		{name: "16-bit length too short", wire: []byte{0x82, 126, 0, 125}},
		{name: "64-bit length too short", wire: []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}},
		{name: "64-bit length negative", wire: []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if h, _, err := ParseHeader(tt.wire); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %+v, %v; want ErrMalformed", h, err)
			}
		})
	}
}

func TestMaskByParts(t *testing.T) {
	key := [4]byte{0x37, 0xFA, 0x21, 0x3D}
	plain := []byte("Hello, a payload longer than a word")
	want := make([]byte, len(plain))
	for i := range plain {
		want[i] = plain[i] ^ key[i%4]
	}
	for cut := range plain {
		got := bytes.Clone(plain)
		Mask(key, 0, got[:cut])
		Mask(key, int64(cut), got[cut:])
		if !bytes.Equal(got, want) {
			t.Errorf("masked in two parts cut at %d: %x, want %x", cut, got, want)
		}
	}
}

// TestAccept uses the example of RFC 6455 section 1.3.
func TestAccept(t *testing.T) {
	nonce := [16]byte([]byte("the sample nonce"))
	if got, want := Accept(Key(nonce)), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want {
		t.Errorf("Accept gave %s, want %s", got, want)
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte{0x82, 0xFE, 0, 128, 1, 2, 3, 4})
	f.Add([]byte{0x88, 2, 3, 232})
	f.Fuzz(func(t *testing.T, wire []byte) {
		h, n, err := ParseHeader(wire)
		if err != nil {
			return
		}
		if again := AppendHeader(nil, h); !bytes.Equal(again, wire[:n]) {
			t.Errorf("%x parsed as %+v, which is written %x", wire[:n], h, again)
		}
	})
}
