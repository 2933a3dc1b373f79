package ovsdb

import "context"

// Transact sends a transaction and waits for its reply. It takes all events of the session and drops the updates among
// them: it is for programs that do not monitor and make one call at a time.
func Transact(ctx context.Context, s *Session, t *Txn) (*Reply, error) {
	id, err := s.Send(t)
	if err != nil {
		return nil, err
	}
	for {
		select {
		case e, ok := <-s.Events():
			if !ok {
				return nil, s.Err()
			}
			if e.Reply != nil && e.Reply.ID == id {
				return e.Reply, e.Reply.Err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
