package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestWget(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			<-r.Context().Done()
		case "/missing":
			http.NotFound(w, r)
		default:
			body, _ := io.ReadAll(r.Body)
			_, _ = io.WriteString(w, r.Method+" "+r.Header.Get("X-A")+" "+string(body))
		}
	}))
	t.Cleanup(server.Close)
	t.Chdir(t.TempDir())
	for _, test := range []struct{ args, stdout, file, fails string }{
		{args: "-qO- URL/a", stdout: "GET  "},
		{args: "-q -O - URL/a", stdout: "GET  "},
		{args: "-qT5 -O- URL/a", stdout: "GET  "},
		{args: "--timeout=5 URL/a", fails: "not defined"},
		{args: "-T 5 -qO - --header=X-A:b --post-data=c URL/a", stdout: "POST b c"},
		{args: "URL/a", file: "a"},
		{args: "URL", file: "index.html"},
		{args: "-O b URL/a", file: "b"},
		{args: "--spider URL/a"},
		{args: "-qO- URL/missing", fails: "404"},
		{args: "-qO- -T 0.05 URL/hang", fails: "deadline exceeded"},
		{args: "-q", fails: "which URL?"},
		{args: "-qO- http://127.0.0.1:1/", fails: "refused"},
	} {
		var stdout strings.Builder
		err := run(t.Context(), strings.Fields(strings.ReplaceAll(test.args, "URL", server.URL)), &stdout, io.Discard)
		if test.fails == "" && err != nil || test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails)) || stdout.String() != test.stdout {
			t.Errorf("wget %s: wrote %q and returned %v, want %q and %q", test.args, stdout.String(), err, test.stdout, test.fails)
		}
		if test.file == "" {
			continue
		}
		if content, err := os.ReadFile(test.file); err != nil || string(content) != "GET  " {
			t.Errorf("wget %s: %s has %q (%v)", test.args, test.file, content, err)
		}
	}
}
