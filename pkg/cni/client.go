package cni

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"time"

	"github.com/containernetworking/cni/pkg/types"
)

const (
	// patience is the time for one operation; the agent gives up earlier. Kubelet waits four minutes for a sandbox.
	patience = 225 * time.Second
	// defaultAgentWait is the time for which an operation waits for an agent that is away, agentPause that between attempts.
	// An agent that has died is back within seconds; after a failure, kubelet lets 10 to 15 pass.
	defaultAgentWait = 20 * time.Second
	agentPause       = 100 * time.Millisecond
)

// post asks the agent for an operation, again if there is none, or if it dies before it answers: every operation can be
// repeated. Its errors are those of the specification.
func (c *call) post(path string) (*Response, error) {
	body, err := json.Marshal(&c.request)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(c.agentWait); ; time.Sleep(agentPause) {
		var made Response
		answered, err := c.do("POST", path, body, &made)
		if answered || time.Now().After(deadline) {
			return &made, err
		}
	}
}

// status asks the agent whether it can add interfaces. Without an agent it cannot.
func (c *call) status() error {
	_, err := c.do("GET", PathStatus, nil, &Response{})
	if e, ok := err.(*types.Error); ok && e.Code == CodeTryAgain {
		e.Code = CodeNotAvailable
	}
	return err
}

// do speaks HTTP/1.1 by hand: a request and its answer are all that is needed of it, and net/http would make the plugin, which is
// started for each interface, twice as large. An agent that is away, or dies on the way, does not answer.
func (c *call) do(method, path string, body []byte, answer *Response) (answered bool, err error) {
	code, text, err := c.exchange(method, path, body)
	if err == nil && code == 200 {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		return false, types.NewError(CodeTryAgain, fmt.Sprintf("the node's agent does not answer on %s: %v", c.socket, err), "")
	}
	if code == 200 {
		return true, nil
	}
	var failure Error
	if err := json.Unmarshal(text, &failure); err != nil || failure.Message == "" {
		return true, types.NewError(CodeFailed, fmt.Sprintf("the node's agent answers with code %d: %s", code, text), "")
	}
	return true, types.NewError(failure.Code, failure.Message, "")
}

// exchange returns the code and the body of the answer.
func (c *call) exchange(method, path string, body []byte) (code int, answer []byte, err error) {
	conn, err := net.Dial("unix", c.socket)
	if err != nil {
		return 0, nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, nil, err
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", method, path, len(body))
	if _, err := conn.Write(append([]byte(head), body...)); err != nil {
		return 0, nil, err
	}
	reader := textproto.NewReader(bufio.NewReader(conn))
	line, err := reader.ReadLine()
	if err != nil {
		return 0, nil, err
	}
	if _, err := fmt.Sscanf(line, "HTTP/1.1 %d", &code); err != nil {
		return 0, nil, fmt.Errorf("%q is no answer", line)
	}
	header, err := reader.ReadMIMEHeader()
	if err != nil {
		return 0, nil, err
	}
	length, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil {
		return 0, nil, fmt.Errorf("the answer does not say its length: %w", err)
	}
	answer = make([]byte, length)
	_, err = io.ReadFull(reader.R, answer)
	return code, answer, err
}
