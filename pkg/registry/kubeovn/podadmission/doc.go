// Package podadmission refuses pods whose annotations ask for what they will not get: at kubectl apply, where somebody reads the
// answer, and not on a node minutes later. What others hold now and will release, the pod waits for. What a pod asks for is decided in package podnet, as agents do; here it is held against
// what is taken.
//
// The answer is about one moment. What was free then may be taken when the pod starts: the transaction that creates its interfaces
// decides.
package podadmission
