// Package qr draws QR codes (ISO/IEC 18004) fast: ten thousand login pages get a
// new one every thirty seconds.
//
// It owns what those need: byte mode, error correction M, versions 1 to 10,
// which fit in rows of 64 bits. Whatever else is the library's, which is some
// twenty times slower; tests compare the two module by module. What always
// holds: the drawing depends on the text alone.
package qr
