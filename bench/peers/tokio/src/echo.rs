// SPDX-License-Identifier: MIT
//! Echo servers: a task for each connection, and one for all datagrams; see bench/load/load.c.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

async fn echo(mut connection: TcpStream) -> std::io::Result<()> {
    let mut buf = vec![0u8; 16384];
    connection.set_nodelay(true)?;
    loop {
        let n = connection.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        connection.write_all(&buf[..n]).await?;
    }
}

pub async fn serve_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("PORT {}", listener.local_addr().unwrap().port());
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        tokio::spawn(echo(connection));
    }
}

pub async fn serve_udp() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buf = vec![0u8; 65536];
    println!("PORT {}", socket.local_addr().unwrap().port());
    loop {
        let (n, from) = socket.recv_from(&mut buf).await.unwrap();
        let _ = socket.send_to(&buf[..n], from).await;
    }
}
