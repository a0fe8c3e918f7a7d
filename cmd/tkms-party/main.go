// Command tkms-party is one MPC party: it holds shares of keys, follows the TKMS
// chain by proof and posts signed results.
package main

import "github.com/tkms-network/tkms/cmd/tkms-party/command"

func main() { command.Main(command.Faults{}) }
