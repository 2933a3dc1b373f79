package testbed

import (
	"context"
	"fmt"
	"time"
)

// Patience is how long anything may take that must happen. It is for machines that do much else at the same time; what the tests wait
// for takes milliseconds.
const Patience = 60 * time.Second

// eventually asks until there is no error. It returns the last one when the patience or the context ends.
func eventually(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (after %v)", err, Patience)
		case <-time.After(pause):
		}
	}
}
