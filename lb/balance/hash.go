package balance

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// step separates successive hashes of one key: 2^64 divided by the golden ratio, made odd.
const step = 0x9e3779b97f4a7c15

// digest is what the policies derive from a member's name: independent values for independent uses.
type digest struct {
	score  uint64 // rendezvous
	offset uint64 // maglev: where a member's preferences begin
	skip   uint64 // maglev: how they go on
	phase  uint64 // maglev: when its turns come
}

// digestOf uses SHA-256 because names tend to differ in one digit only and this runs once per build: nothing about
// the quality of a cheaper hash has to be argued. The label is part of the mapping; see TestGolden.
func digestOf(name string) digest {
	sum := sha256.Sum256([]byte("fairlead balance member\x00" + name))
	return digest{
		score:  binary.BigEndian.Uint64(sum[0:]),
		offset: binary.BigEndian.Uint64(sum[8:]),
		skip:   binary.BigEndian.Uint64(sum[16:]),
		phase:  binary.BigEndian.Uint64(sum[24:]),
	}
}

// Mix is a bijection in which every bit of the result depends on every bit of x: the output function of SplitMix64
// (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014, with Stafford's variant 13).
func Mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// reduce maps a hash to 0..n-1 without a division; hashes are spread evenly up to n/2^64.
func reduce(hash uint64, n int) int {
	hi, _ := bits.Mul64(hash, uint64(n))
	return int(hi)
}
