// Writes gzip streams with Go's own compress/gzip, for tests of the encoder that imitates it.
//
// Reads frames from standard input: a level (one signed byte), the size of the pieces in which to write (4 bytes, little
// endian, 0 for one piece), a length (4 bytes), and as many plain bytes. Writes for each the length of the stream (4
// bytes) and the stream. With the argument "time" it writes how many nanoseconds of the processor the encoder took (8 bytes) before that.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"syscall"
)

func main() {
	timed := len(os.Args) > 1 && os.Args[1] == "time"
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
		begin := used()
		stream := encode(plain, int(int8(head[0])), int(binary.LittleEndian.Uint32(head[1:])))
		if timed {
			binary.Write(out, binary.LittleEndian, uint64(used()-begin))
		}
		binary.Write(out, binary.LittleEndian, uint32(len(stream)))
		out.Write(stream)
		out.Flush()
	}
}

func encode(plain []byte, level, piece int) []byte {
	var stream bytes.Buffer
	writer, err := gzip.NewWriterLevel(&stream, level)
	if err != nil {
		panic(err)
	}
	if piece == 0 {
		piece = len(plain)
	}
	for len(plain) > 0 {
		n := min(piece, len(plain))
		writer.Write(plain[:n])
		plain = plain[n:]
	}
	writer.Close()
	return stream.Bytes()
}

// How many nanoseconds of the processor this process has used.
func used() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
