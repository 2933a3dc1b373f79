// Package ovneip is the kind OvnEip: an address of an external Subnet.
//
// What is assigned is in status, and spec stays as the user wrote it, but for the external Subnet, whose default is written out: the
// reference must be visible. An OvnEip realizes nothing by itself, with one exception:
//
//   - nat: rows of the rules that use it (package ovnnat);
//   - lrp: the router port of the Vpc that it connects, which is the Vpc's row;
//   - lsp: an ordinary port of the external Subnet's switch, named as the object, that a gateway node plugs.
package ovneip
