// Command pause waits for ever and holds the namespaces of a pod open.
package main

func main() {
	println("pause")
	select {}
}
