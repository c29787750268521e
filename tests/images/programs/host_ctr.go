// Command host-ctr prints the names of its arguments in order, longest first.
package main

import (
	"fmt"
	"os"
	"sort"
)

func main() {
	names := append([]string(nil), os.Args[1:]...)
	sort.Slice(names, func(i, j int) bool { return len(names[i]) > len(names[j]) })
	for position, name := range names {
		fmt.Printf("%d %s\n", position, name)
	}
}
