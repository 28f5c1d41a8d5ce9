// SPDX-License-Identifier: MIT

// Echo servers: a goroutine for each connection, and one for all datagrams; see bench/load/load.c.
package main

import (
	"fmt"
	"net"
)

func echoConnection(connection net.Conn) {
	buf := make([]byte, 16384)
	defer connection.Close()
	for {
		n, err := connection.Read(buf)
		if err != nil {
			return
		}
		if _, err := connection.Write(buf[:n]); err != nil {
			return
		}
	}
}

func serveTCP() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("PORT %d\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go echoConnection(connection)
	}
}

func serveUDP() {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		panic(err)
	}
	fmt.Printf("PORT %d\n", socket.LocalAddr().(*net.UDPAddr).Port)
	buf := make([]byte, 65536)
	for {
		n, from, err := socket.ReadFromUDPAddrPort(buf)
		if err != nil {
			panic(err)
		}
		_, _ = socket.WriteToUDPAddrPort(buf[:n], from)
	}
}
