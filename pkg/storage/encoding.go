package storage

import (
	"bytes"
	"io"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// encodings are the encoded forms of the latest events, so that all watchers of an event share one.
type encodings struct {
	mu   sync.Mutex
	ring [encodingsKept]*sharedObject
}

// encodingsKept is how many: watchers that keep up are at most some batches apart.
const encodingsKept = 1024

// of returns the shared object of an entry.
func (c *encodings) of(e *entry) *sharedObject {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot := &c.ring[e.rev%encodingsKept]
	if *slot == nil || (*slot).entry != e {
		*slot = &sharedObject{entry: e, forms: map[runtime.Identifier]*form{}}
	}
	return *slot
}

// sharedObject is a stored object on its way to many readers: none sees the object itself, each encoding is made once.
type sharedObject struct {
	entry *entry
	mu    sync.Mutex
	forms map[runtime.Identifier]*form
}

type form struct {
	once sync.Once
	data []byte
	err  error
}

var (
	_ runtime.CacheableObject   = (*sharedObject)(nil)
	_ metav1.ObjectMetaAccessor = (*sharedObject)(nil)
)

// CacheEncode implements runtime.CacheableObject.
func (o *sharedObject) CacheEncode(id runtime.Identifier, encode func(runtime.Object, io.Writer) error, w io.Writer) error {
	o.mu.Lock()
	f := o.forms[id]
	if f == nil {
		f = &form{}
		o.forms[id] = f
	}
	o.mu.Unlock()
	f.once.Do(func() {
		var buf bytes.Buffer
		f.err = encode(o.GetObject(), &buf)
		f.data = buf.Bytes()
	})
	if f.err != nil {
		return f.err
	}
	_, err := w.Write(f.data)
	return err
}

// GetObject implements runtime.CacheableObject: a copy that the caller owns.
func (o *sharedObject) GetObject() runtime.Object { return o.entry.obj.DeepCopyObject() }

// GetObjectMeta implements metav1.ObjectMetaAccessor; read only.
func (o *sharedObject) GetObjectMeta() metav1.Object { return o.entry.obj }

// GetObjectKind implements runtime.Object.
func (o *sharedObject) GetObjectKind() schema.ObjectKind { return o.entry.obj.GetObjectKind() }

// DeepCopyObject implements runtime.Object. What is shared is immutable.
func (o *sharedObject) DeepCopyObject() runtime.Object { return o }
