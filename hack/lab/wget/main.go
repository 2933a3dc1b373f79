// Command wget fetches a URL, as far as tests in pods need it: busybox's own, in Debian's static build, crashes at its start.
//
//	wget [-q] [-S] [-T SECONDS] [-O FILE] [--spider] [--header=NAME:VALUE]... [--post-data=TEXT] URL
//
// As with busybox, the answer goes to a file of the URL's last part unless -O names another ("-" is the standard output), and the status is 1
// when the server cannot be reached or answers an error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
)

type headers http.Header

func (h headers) String() string { return "" }

// Set adds a header, as "Name: value".
func (h headers) Set(text string) error {
	name, value, ok := strings.Cut(text, ":")
	if !ok {
		return errors.New("must be NAME:VALUE")
	}
	http.Header(h).Add(strings.TrimSpace(name), strings.TrimSpace(value))
	return nil
}

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "wget:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("wget", flag.ContinueOnError)
	flags.SetOutput(stderr)
	quiet := flags.Bool("q", false, "write nothing but the answer")
	show := flags.Bool("S", false, "write the server's headers")
	spider := flags.Bool("spider", false, "only look whether the URL is there")
	timeout := flags.Float64("T", 0, "seconds until it gives up; 0 waits")
	out := flags.String("O", "", "file for the answer, - for the standard output")
	body := flags.String("post-data", "", "send this with POST")
	header := headers{}
	flags.Var(header, "header", "a header, as NAME:VALUE")
	if err := flags.Parse(split(args)); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("which URL?")
	}
	url := flags.Arg(0)
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	if *timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*timeout*float64(time.Second)))
		defer cancel()
	}
	method, content := http.MethodGet, io.Reader(nil)
	if *body != "" {
		method, content = http.MethodPost, strings.NewReader(*body)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return err
	}
	request.Header = http.Header(header)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if *show && !*quiet {
		fmt.Fprintf(stderr, "  %s %s\n", response.Proto, response.Status)
		_ = response.Header.Write(stderr)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("server returned error: %s %s", response.Proto, response.Status)
	}
	if *spider {
		return nil
	}
	return save(*out, path.Base(request.URL.Path), response.Body, stdout)
}

// save writes the answer to a file, or to the standard output.
func save(name, byURL string, from io.Reader, stdout io.Writer) error {
	switch {
	case name == "-":
		_, err := io.Copy(stdout, from)
		return err
	case name == "" && (byURL == "." || byURL == "/"):
		name = "index.html"
	case name == "":
		name = byURL
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// split takes options that are written together apart, as "-qO-" and "-T5".
func split(args []string) []string {
	var out []string
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if len(arg) < 3 || arg[0] != '-' || arg[1] == '-' {
			out = append(out, arg)
			continue
		}
		for rest := arg[1:]; rest != ""; rest = rest[1:] {
			out = append(out, "-"+rest[:1])
			if (rest[0] == 'O' || rest[0] == 'T') && len(rest) > 1 {
				out = append(out, rest[1:])
				break
			}
		}
	}
	return out
}
