package storage

// StoredForm returns the stored form of an object, transformed as it is; nil when there is none.
func (e *Engine) StoredForm(key string) []byte {
	s, _ := e.hist.current()
	entry := s.get(key)
	if entry == nil {
		return nil
	}
	plain, err := decodeText(entry.raw)
	if err != nil {
		return nil
	}
	return plain
}

// WithBareTokens takes the nonce out of the revision token.
func (o Options) WithBareTokens() Options {
	o.bareToken = true
	return o
}

// Queued is the number of requests that have no answer yet.
func (e *Engine) Queued() int { return int(e.waiting.Load()) }

// MaxQueue is the number of requests beyond which more are refused.
const MaxQueue = maxQueue
