package relay

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// However a buffer is sent and extended, its bytes come out in order and its payload sums up.
func TestBufferSumsUp(t *testing.T) {
	var s buffers
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 1, 5000).Draw(t, "bytes")
		payload := rapid.IntRange(0, len(b)).Draw(t, "payload")
		want := bytes.Clone(b)
		i := s.hold(b, payload)
		clear(b) // it is a copy
		var got []byte
		counted := 0
		for len(s.at(i).b) > 0 {
			if rapid.IntRange(0, 3).Draw(t, "extend") == 0 && len(want) < 20_000 {
				more := rapid.SliceOfN(rapid.Byte(), 1, 3000).Draw(t, "more")
				s.at(i).extend(more)
				want = append(want, more...)
			}
			n := rapid.IntRange(1, len(s.at(i).b)).Draw(t, "sent")
			got = append(got, s.at(i).b[:n]...)
			p := s.at(i).sent(n)
			if counted += p; p < 0 || counted > payload {
				t.Fatalf("%d of %d bytes of payload", counted, payload)
			}
		}
		if counted != payload || !bytes.Equal(got, want) {
			t.Fatalf("%d of %d bytes of payload, %d of %d bytes", counted, payload, len(got), len(want))
		}
		s.release(i)
		if s.lent() != 0 {
			t.Fatalf("%d are lent", s.lent())
		}
	})
}

// Numbers stay what they are while others come and go, 0 is never one of them, and buffers are used again.
func TestBuffersByNumber(t *testing.T) {
	var s buffers
	rapid.Check(t, func(t *rapid.T) {
		model := map[uint32][]byte{}
		t.Repeat(map[string]func(*rapid.T){
			"hold": func(t *rapid.T) {
				b := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.SampledFrom([]int{1, 2048, 2049, 9000, 40_000, 200_000}).Draw(t, "size"))
				i := s.hold(b, 0)
				if _, taken := model[i]; i == 0 || taken {
					t.Fatalf("number %d", i)
				}
				model[i] = b
			},
			"release": func(t *rapid.T) {
				for i := range model {
					s.release(i)
					delete(model, i)
					break
				}
			},
			"trim": func(*rapid.T) { s.trim() },
			"": func(t *rapid.T) {
				if s.lent() != len(model) {
					t.Fatalf("%d are lent, not %d", s.lent(), len(model))
				}
				for i, b := range model {
					if !bytes.Equal(s.at(i).b, b) {
						t.Fatalf("number %d is not what it was", i)
					}
				}
				for class, spare := range s.spare {
					if len(spare) > spareBuffers {
						t.Fatalf("%d spare buffers of class %d", len(spare), class)
					}
				}
			},
		})
		for i := range model {
			s.release(i)
		}
	})
	s.trim()
	if s.slots != nil || s.free != nil || s.spare[0] != nil {
		t.Error("something is left")
	}
}

func TestBuffersAreUsedAgain(t *testing.T) {
	var s buffers
	i := s.hold(make([]byte, 1500), 0)
	first := &s.at(i).whole[:1][0]
	s.release(i)
	i = s.hold(make([]byte, 100), 0)
	if &s.at(i).whole[:1][0] != first {
		t.Error("a new buffer")
	}
	s.at(i).extend(make([]byte, 5000)) // it outgrows its class
	s.release(i)
	for class, spare := range s.spare {
		for _, b := range spare {
			if cap(b) != bufferSizes[class] {
				t.Errorf("a buffer of %d bytes among those of %d", cap(b), bufferSizes[class])
			}
		}
	}
}
