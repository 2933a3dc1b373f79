// Package scenarios holds transcripts of what users do and see, and runs them: manifests in, kubectl's answers and the rows
// of the Northbound database out. They are meant to be read; each begins with a sentence on what a user sees.
//
// A transcript is a txtar file. Its sections are, in the order of events:
//
//	-- net.yaml --                   a manifest, for a command below it
//	-- kubectl apply -f net.yaml --  a command that succeeds, and what it prints
//	-- ! kubectl apply -f a.yaml --  one that is refused, and with which words; not a row changes
//	-- ovn-nbctl lr-route-list a --  what OVN's own tool says
//	-- rows --                       what the last command changed in the Northbound database
//
// The folder samples is that of artifacts, without what is for a cluster, as in "kubectl apply -f samples/vpc.yaml".
//
// Among the rows "+" is a new one, "-" one that is gone, "~" one that was changed, with the old and the new values. A row is
// called by its name or by what distinguishes it, and so are the rows it refers to; behind it stands the object that it
// belongs to. What differs from run to run is named instead: <mac1> is the first MAC that the server chose, <address1> the
// first address that it chose in the default Subnet; <age>, <time> and <uuid> are what they say.
//
// After each transcript all objects that it made are deleted and everything in the database is as it was before.
//
// "go test ./test/scenarios -update" writes the answers and the rows anew.
package scenarios
