package cniserver

import (
	"context"
	"errors"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	minAPIPause = 100 * time.Millisecond
	maxAPIPause = time.Second
)

// persist repeats a request that the API does not answer. Each of them can be repeated: an allocation that was made without a
// word of it is made again for the same pod.
func (s *Server) persist(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.APIPatience)
	defer cancel()
	for pause := minAPIPause; ; pause = min(2*pause, maxAPIPause) {
		err := request(ctx)
		if err == nil || !unanswered(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// unanswered reports whether an error says nothing about the request: nobody was there, or somebody on the way had trouble.
func unanswered(err error) bool {
	if errors.Is(err, ErrNoPod) {
		return false
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	code := status.Status().Code
	return code == http.StatusTooManyRequests || code >= http.StatusInternalServerError
}
