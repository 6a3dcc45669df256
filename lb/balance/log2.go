package balance

import "math/bits"

// Fixed-point base-2 logarithms. math.Log will not do: its result may differ in the last bit between architectures
// (assembly on some, fused multiply-add on others), and one such bit sends a key to different backends from
// different edges. Here everything is integer arithmetic, the table included.
const (
	logFraction = 40 // bits after the point
	logSegments = 10 // log2 of the number of segments with linear interpolation
)

// logTable holds log2(1 + i/1024). Linear interpolation between its values is off by at most 1.7e-7 and never
// decreases, so members of equal weight are ranked exactly as their hashes are.
var logTable = buildLogTable()

func buildLogTable() *[1<<logSegments + 1]uint64 {
	var t [1<<logSegments + 1]uint64
	for i := range 1 << logSegments {
		t[i] = log2Bits(1<<63 + uint64(i)<<(63-logSegments))
	}
	t[1<<logSegments] = 1 << logFraction
	return &t
}

// log2Bits computes log2(x / 2^63) for x in [2^63, 2^64), bit by bit: squaring a number doubles its logarithm, so
// the integer part of the doubled logarithm is the next bit.
func log2Bits(x uint64) uint64 {
	var log uint64
	for range logFraction {
		hi, lo := bits.Mul64(x, x) // x² / 2^126 is in [1, 4)
		log <<= 1
		if hi>>63 == 1 {
			log |= 1
			x = hi
		} else {
			x = hi<<1 | lo>>63
		}
	}
	return log
}

// surprise returns -log2(u / 2^64) with logFraction bits after the point: 1 to 64<<40. It never increases with u.
func surprise(u uint64) uint64 {
	u |= 1 // 0 has no logarithm
	shift := bits.LeadingZeros64(u)
	mantissa := u << shift << 1 // the bits after the leading one
	segment := mantissa >> (64 - logSegments)
	within := mantissa << logSegments >> 32
	low, high := logTable[segment], logTable[segment+1]
	fraction := low + (high-low)*within>>32
	return uint64(shift+1)<<logFraction - fraction
}
