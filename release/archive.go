package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"time"
)

// archive returns the name of the archive for a target.
func (r *release) archive(t target) string {
	extension := ".tar.gz"
	if t.os == "windows" {
		extension = ".zip"
	}
	return fmt.Sprintf("%s_%s_%s_%s%s", program, r.version, t.os, t.arch, extension)
}

// writeArchives writes an archive for each target.
func (r *release) writeArchives(context.Context) error {
	for _, t := range r.targets {
		binary, err := os.ReadFile(r.path(t))
		if err != nil {
			return err
		}
		files := append([]file{{t.binary(), 0o755, binary}}, r.shared...)
		pack := tarred
		if t.os == "windows" {
			pack = zipped
		}
		data, err := pack(files, r.time)
		if err != nil {
			return err
		}
		if err := r.write(r.archive(t), data); err != nil {
			return err
		}
	}
	return nil
}

// tarred returns a compressed tar archive, all of whose files are root's.
func tarred(files []file, modified time.Time) ([]byte, error) {
	var b bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := writeTar(tar.NewWriter(compressed), files, modified); err != nil {
		return nil, err
	}
	err = compressed.Close()
	return b.Bytes(), err
}

// writeTar writes files and closes w.
func writeTar(w *tar.Writer, files []file, modified time.Time) error {
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: int64(f.mode), Size: int64(len(f.data)), ModTime: modified, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	return w.Close()
}

func zipped(files []file, modified time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: modified}
		header.SetMode(f.mode)
		entry, err := w.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := entry.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
