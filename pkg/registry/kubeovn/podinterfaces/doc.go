// Package podinterfaces serves the creation of all interfaces of one pod in one request. Nothing is stored but the IPs.
//
// The request is idempotent, because an agent repeats it after any failure: IPs that the pod has are answered as they are.
// IPs of the same name that no pod has (reserved by a user, or kept for a StatefulSet or a virtual machine) are taken over.
// An IP that another pod has is a conflict (409) that names the holder.
package podinterfaces
