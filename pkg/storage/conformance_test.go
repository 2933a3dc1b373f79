package storage_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/apitesting"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apiserver/pkg/apis/example"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/features"
	apistorage "k8s.io/apiserver/pkg/storage"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/apiserver/pkg/storage/value"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"

	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

var (
	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
	codec  = apitesting.TestCodec(codecs, examplev1.SchemeGroupVersion)
)

func init() {
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	utilruntime.Must(example.AddToScheme(scheme))
	utilruntime.Must(examplev1.AddToScheme(scheme))
}

// suite is a store as the upstream suite wants it: with a transformer and a codec that tests can change.
type suite struct {
	apistorage.Interface
	engine      *storage.Engine
	other       apistorage.Interface // a second resource, whose writes move the revision
	transformer *switchTransformer
	codec       *switchCodec
}

// prefixes of the stored form, as upstream's own tests use.
const storedPrefix = "test!"

type switchTransformer struct {
	current atomic.Pointer[value.Transformer]
}

func (t *switchTransformer) set(to value.Transformer) { t.current.Store(&to) }
func (t *switchTransformer) get() value.Transformer   { return *t.current.Load() }

func (t *switchTransformer) TransformFromStorage(ctx context.Context, data []byte, dataCtx value.Context) ([]byte, bool, error) {
	return t.get().TransformFromStorage(ctx, data, dataCtx)
}

func (t *switchTransformer) TransformToStorage(ctx context.Context, data []byte, dataCtx value.Context) ([]byte, error) {
	return t.get().TransformToStorage(ctx, data, dataCtx)
}

type switchCodec struct {
	runtime.Codec
	fail atomic.Bool
}

func (c *switchCodec) Decode(data []byte, defaults *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if c.fail.Load() {
		return nil, nil, errors.New("synthetic error")
	}
	return c.Codec.Decode(data, defaults, into)
}

func podResource(name, kind string) *storage.Resource {
	return storage.NewResource(name, kind, func() *example.Pod { return &example.Pod{} }, storage.Kind[*example.Pod]{})
}

// newSuite opens an engine on a fresh database. With a transformer every read decodes the stored form; without one, reads are
// served from decoded objects.
func newSuite(t *testing.T, withTransformer bool, database ...ovntest.Option) *suite {
	t.Helper()
	nb := ovntest.NB(t, database...)
	s := &suite{transformer: &switchTransformer{}, codec: &switchCodec{Codec: codec}}
	s.transformer.set(storagetesting.NewPrefixTransformer([]byte(storedPrefix), false))
	o := storage.Options{
		NB:               ovsdb.Options{Addresses: []string{nb.NBAddress()}},
		Resources:        []*storage.Resource{podResource("pods", "Pod"), podResource("others", "Other")},
		Codec:            s.codec,
		BookmarkInterval: time.Second,
	}
	if withTransformer {
		o.Transformer = s.transformer
	}
	var err error
	if s.engine, err = storage.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.engine.Close)
	if err := s.engine.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Interface, err = s.engine.Store(storage.StoreConfig{Resource: "pods"}); err != nil {
		t.Fatal(err)
	}
	if s.other, err = s.engine.Store(storage.StoreConfig{Resource: "others"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// UpdatePrefixTransformer implements storagetesting.InterfaceWithPrefixTransformer.
func (s *suite) UpdatePrefixTransformer(modify storagetesting.PrefixTransformerModifier) func() {
	original := s.transformer.get().(*storagetesting.PrefixTransformer)
	changed := *original
	s.transformer.set(modify(&changed))
	return func() { s.transformer.set(original) }
}

// UpdateTransformer implements storagetesting.InterfaceWithTransformerOverride.
func (s *suite) UpdateTransformer(modify storagetesting.TransformerModifier) func() {
	original := s.transformer.get()
	s.transformer.set(modify(original))
	return func() { s.transformer.set(original) }
}

var increases atomic.Int64

// increaseRV moves the revision by one without touching a pod.
func (s *suite) increaseRV(ctx context.Context, t *testing.T) int64 {
	t.Helper()
	out := &example.Pod{}
	name := fmt.Sprintf("increase-%d", increases.Add(1))
	if err := s.other.Create(ctx, "/others/"+name, &example.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}, out, 0); err != nil {
		t.Fatal(err)
	}
	rv, err := strconv.ParseInt(out.ResourceVersion, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return rv
}

// compact forgets what was before a revision. Upstream's tests expect that this moves the revision, as it does in etcd.
func (s *suite) compact(ctx context.Context, t *testing.T, resourceVersion string) {
	t.Helper()
	rv, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.engine.Compact(ctx, rv); err != nil {
		t.Fatal(err)
	}
	s.increaseRV(ctx, t)
}

// stored checks what upstream's own tests check of the stored form: it can be decoded and holds no resource version.
func (s *suite) stored(_ context.Context, t *testing.T, key string) {
	t.Helper()
	raw := s.engine.StoredForm(key)
	if len(raw) < len(storedPrefix) {
		t.Fatalf("nothing is stored for %s", key)
	}
	decoded, err := runtime.Decode(codec, raw[len(storedPrefix):])
	if err != nil {
		t.Fatal(err)
	}
	if rv := decoded.(*example.Pod).ResourceVersion; rv != "" {
		t.Errorf("resource version %q is stored", rv)
	}
}

type conformanceTest struct {
	name string
	// needsTransformer marks tests that change the stored form or make reading it fail.
	needsTransformer bool
	run              func(ctx context.Context, t *testing.T, s *suite)
}

var corruptErr = &storage.CorruptError{Key: "test", Err: errors.New("bits flipped")}

func unsafeDeletion(t *testing.T, on bool) {
	featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.AllowUnsafeMalformedObjectDeletion, on)
}

var conformanceTests = []conformanceTest{
	{"Create", true, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestCreate(ctx, t, s, s.stored) }},
	{"CreateWithTTL", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestCreateWithTTL(ctx, t, s) }},
	{"CreateWithKeyExist", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestCreateWithKeyExist(ctx, t, s) }},
	{"Get", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestGet(ctx, t, s) }},
	{"UnconditionalDelete", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestUnconditionalDelete(ctx, t, s)
	}},
	{"ConditionalDelete", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestConditionalDelete(ctx, t, s) }},
	{"DeleteWithSuggestion", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestDeleteWithSuggestion(ctx, t, s)
	}},
	{"DeleteWithSuggestionAndConflict", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestDeleteWithSuggestionAndConflict(ctx, t, s)
	}},
	{"DeleteWithSuggestionOfDeletedObject", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestDeleteWithSuggestionOfDeletedObject(ctx, t, s)
	}},
	{"ValidateDeletionWithSuggestion", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestValidateDeletionWithSuggestion(ctx, t, s)
	}},
	{"ValidateDeletionWithOnlySuggestionValid", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestValidateDeletionWithOnlySuggestionValid(ctx, t, s)
	}},
	{"DeleteWithConflict", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestDeleteWithConflict(ctx, t, s) }},
	{"DeleteWithConflictAndMissingExpectedTransformOrDecodeError", true, func(ctx context.Context, t *testing.T, s *suite) {
		unsafeDeletion(t, true)
		storagetesting.RunTestDeleteWithConflictAndMissingExpectedTransformOrDecodeError(ctx, t, s, s.codec.fail.Store)
	}},
	{"DeleteExpectedTransformError", true, func(ctx context.Context, t *testing.T, s *suite) {
		unsafeDeletion(t, true)
		storagetesting.RunTestDeleteExpectedTransformOrDecodeError(ctx, t, s, s.failTransform)
	}},
	{"DeleteExpectedDecodeError", true, func(ctx context.Context, t *testing.T, s *suite) {
		unsafeDeletion(t, true)
		storagetesting.RunTestDeleteExpectedTransformOrDecodeError(ctx, t, s, s.codec.fail.Store)
	}},
	{"DeleteWithSuggestionAndMissingExpectedTransformOrDecodeError", false, func(ctx context.Context, t *testing.T, s *suite) {
		unsafeDeletion(t, true)
		storagetesting.RunTestDeleteWithSuggestionAndMissingExpectedTransformOrDecodeError(ctx, t, s)
	}},
	{"PreconditionalDeleteWithSuggestion", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestPreconditionalDeleteWithSuggestion(ctx, t, s)
	}},
	{"PreconditionalDeleteWithOnlySuggestionPass", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestPreconditionalDeleteWithOnlySuggestionPass(ctx, t, s)
	}},
	{"ListPaging", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestListPaging(ctx, t, s) }},
	{"GetListNonRecursive", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestGetListNonRecursive(ctx, t, s.increaseRV, s)
	}},
	{"GetListRecursivePrefix", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestGetListRecursivePrefix(ctx, t, s)
	}},
	{"KeySchema", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestKeySchema(ctx, t, s) }},
	{"GetListWithErrorAggregation", true, func(ctx context.Context, t *testing.T, s *suite) {
		unsafeDeletion(t, true)
		storagetesting.RunTestGetListWithErrorAggregation(ctx, t, s, corruptErr)
	}},
	{"GetListWithoutErrorAggregation", true, func(ctx context.Context, t *testing.T, s *suite) {
		unsafeDeletion(t, false)
		storagetesting.RunTestGetListWithoutErrorAggregation(ctx, t, s, corruptErr)
	}},
	{"GuaranteedUpdate", true, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestGuaranteedUpdate(ctx, t, s, s.stored)
	}},
	{"GuaranteedUpdateWithTTL", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestGuaranteedUpdateWithTTL(ctx, t, s)
	}},
	{"GuaranteedUpdateChecksStoredData", true, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestGuaranteedUpdateChecksStoredData(ctx, t, s)
	}},
	{"GuaranteedUpdateWithConflict", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestGuaranteedUpdateWithConflict(ctx, t, s)
	}},
	{"GuaranteedUpdateWithSuggestionAndConflict", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestGuaranteedUpdateWithSuggestionAndConflict(ctx, t, s)
	}},
	{"TransformationFailure", true, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestTransformationFailure(ctx, t, s)
	}},
	{"List", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestList(ctx, t, s, s.compact, false, nil)
	}},
	{"ConsistentList", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestConsistentList(ctx, t, s, s.increaseRV, false, true, false)
	}},
	{"ListContinuation", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestListContinuation(ctx, t, s, noCalls)
	}},
	{"ListPaginationRareObject", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestListPaginationRareObject(ctx, t, s, noCalls)
	}},
	{"ListContinuationWithFilter", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestListContinuationWithFilter(ctx, t, s, noCalls)
	}},
	{"ListInconsistentContinuation", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestListInconsistentContinuation(ctx, t, s, s.compact)
	}},
	{"ListResourceVersionMatch", true, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestListResourceVersionMatch(ctx, t, s)
	}},
	{"NamespaceScopedList", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestNamespaceScopedList(ctx, t, s)
	}},
	{"CompactRevision", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestCompactRevision(ctx, t, s, s.increaseRV, s.compact)
	}},
	{"Stats", true, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestStats(ctx, t, s, codec, s.transformer, false)
		if err := s.EnableResourceSizeEstimation(nil); err != nil {
			t.Fatal(err)
		}
		storagetesting.RunTestStats(ctx, t, s, codec, s.transformer, true)
	}},
	{"Watch", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestWatch(ctx, t, s) }},
	{"ClusterScopedWatch", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestClusterScopedWatch(ctx, t, s) }},
	{"NamespaceScopedWatch", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestNamespaceScopedWatch(ctx, t, s)
	}},
	{"DeleteTriggerWatch", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestDeleteTriggerWatch(ctx, t, s) }},
	{"WatchFromZero", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestWatchFromZero(ctx, t, s, s.compact)
	}},
	{"WatchFromNonZero", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestWatchFromNonZero(ctx, t, s) }},
	{"DelayedWatchDelivery", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestDelayedWatchDelivery(ctx, t, s)
	}},
	{"WatchError", true, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestWatchError(ctx, t, s) }},
	{"WatchWithUnsafeDelete", true, func(ctx context.Context, t *testing.T, s *suite) {
		unsafeDeletion(t, true)
		storagetesting.RunTestWatchWithUnsafeDelete(ctx, t, s, corruptErr)
	}},
	{"WatchContextCancel", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestWatchContextCancel(ctx, t, s) }},
	{"WatcherTimeout", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunTestWatcherTimeout(ctx, t, s) }},
	{"WatchDeleteEventObjectHaveLatestRV", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestWatchDeleteEventObjectHaveLatestRV(ctx, t, s)
	}},
	{"WatchInitializationSignal", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestWatchInitializationSignal(ctx, t, s)
	}},
	{"ProgressNotify", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunOptionalTestProgressNotify(ctx, t, s, s.increaseRV)
	}},
	{"WatchDispatchBookmarkEvents", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestWatchDispatchBookmarkEvents(ctx, t, s, true)
	}},
	{"OptionalWatchBookmarksWithCorrectResourceVersion", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunTestOptionalWatchBookmarksWithCorrectResourceVersion(ctx, t, s)
	}},
	{"SendInitialEventsBackwardCompatibility", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunSendInitialEventsBackwardCompatibility(ctx, t, s)
	}},
	{"WatchSemantics", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunWatchSemantics(ctx, t, s) }},
	{"WatchSemanticInitialEventsExtended", false, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunWatchSemanticInitialEventsExtended(ctx, t, s)
	}},
	{"WatchListMatchSingle", false, func(ctx context.Context, t *testing.T, s *suite) { storagetesting.RunWatchListMatchSingle(ctx, t, s) }},
	{"WatchErrorIsBlockingFurtherEvents", true, func(ctx context.Context, t *testing.T, s *suite) {
		storagetesting.RunWatchErrorIsBlockingFurtherEvents(ctx, t, s)
	}},
}

// noCalls checks nothing: upstream's own tests count calls to etcd here.
func noCalls(*testing.T, uint64, uint64) {}

// failTransform makes reading the stored form fail.
func (s *suite) failTransform(fail bool) {
	if !fail {
		s.transformer.set(storagetesting.NewPrefixTransformer([]byte(storedPrefix), false))
		return
	}
	s.transformer.set(failingTransformer{})
}

type failingTransformer struct{}

func (failingTransformer) TransformFromStorage(context.Context, []byte, value.Context) ([]byte, bool, error) {
	return nil, false, errors.New("synthetic error")
}

func (failingTransformer) TransformToStorage(_ context.Context, data []byte, _ value.Context) ([]byte, error) {
	return append([]byte(storedPrefix), data...), nil
}

// TestConformance runs every generic function of the upstream storage suite against real databases: standalone and
// clustered, with documents decoded at every read and with decoded objects in memory.
func TestConformance(t *testing.T) {
	for _, database := range []struct {
		name    string
		options []ovntest.Option
	}{{"standalone", nil}, {"clustered", []ovntest.Option{ovntest.Clustered()}}} {
		for _, transformer := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/transformer=%v", database.name, transformer), func(t *testing.T) {
				for _, test := range conformanceTests {
					if test.needsTransformer && !transformer {
						continue
					}
					t.Run(test.name, func(t *testing.T) {
						test.run(t.Context(), t, newSuite(t, transformer, database.options...))
					})
				}
			})
		}
	}
}
