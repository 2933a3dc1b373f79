package dataplane

import (
	"os"
	"testing"

	"github.com/northbound-ovn/northbound/test/testbed"
)

// bed is what all tests share; nil where it cannot run, and then Begin skips them.
var bed *testbed.Bed

func TestMain(m *testing.M) { os.Exit(testbed.Main(m, &bed)) }
