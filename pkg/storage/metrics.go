package storage

import "time"

// Metrics receives what the engine measures. Methods must not block; they are called from the engine's goroutine.
type Metrics interface {
	// Committed: a transaction of so many requests was committed, so long after it was sent.
	Committed(requests int, d time.Duration)
	// Replanned: so many requests were planned again, because another process wrote in between.
	Replanned(requests int)
	// Drifted: so many rows of a table were found to differ from what their owners want.
	Drifted(table string, rows int)
	// Undecodable: the number of stored documents that cannot be decoded.
	Undecodable(objects int)
	// Connected: whether there is a session with the database.
	Connected(bool)
	// Lag is the time from the arrival of a notification to the publication of its content.
	Lag(d time.Duration)
	// Watching is the number of open watches.
	Watching(resource string, delta int)
}

type noMetrics struct{}

func (noMetrics) Committed(int, time.Duration) {}
func (noMetrics) Replanned(int)                {}
func (noMetrics) Drifted(string, int)          {}
func (noMetrics) Undecodable(int)              {}
func (noMetrics) Connected(bool)               {}
func (noMetrics) Lag(time.Duration)            {}
func (noMetrics) Watching(string, int)         {}
