//! A log that ended without the node's last word: either the node has gone, or it let us go because we took nothing.

use std::io;

use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// What became of the node, by asking it once more: one that still answers has let us go.
    pub(crate) async fn why_broken(&self, why: io::Error) -> ClientError {
        let still = async {
            let mut again = Self::connect_with(&self.path, self.patience).await?;
            again.info().await?;
            // One that was started again meanwhile did go away.
            Ok::<_, ClientError>(again.node.is_some() && again.node == self.node)
        };
        match still.await {
            Ok(true) => ClientError::LetGo { path: self.path.clone() },
            _ => ClientError::Io(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;
    use crate::reply::{Info, Reply};

    /// A node that says who it is, whoever asks.
    fn node(listener: &UnixListener) {
        let info = Info {
            name: "alice".into(),
            node: String::new(),
            incarnation: 1,
            listen: String::new(),
            fingerprint: String::new(),
            certificate_not_before: 0,
            certificate_not_after: 0,
            revocations: 0,
            revocations_issued: 0,
            revoked_nodes: 0,
            revocations_file: None,
        };
        let reply = serde_json::to_string(&Reply::Info(info)).unwrap();
        while let Ok((mut stream, _)) = listener.accept() {
            let reply = reply.clone();
            std::thread::spawn(move || {
                let mut line = String::new();
                let _ = BufReader::new(&stream).read_line(&mut line);
                let _ = writeln!(stream, "{reply}");
            });
        }
    }

    #[test]
    fn the_node_that_was_read_from_has_let_us_go_and_one_that_was_started_since_has_not() {
        let dir = std::env::temp_dir().join(format!("rumormill-let-go-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let path: PathBuf = dir.join("node.sock");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || node(&listener));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (same, other) = runtime.block_on(async {
            let why = || io::Error::from(io::ErrorKind::UnexpectedEof);
            let mut client = Client::connect(&path).await.unwrap();
            let same = client.why_broken(why()).await;
            client.node = Some(1);
            (same, client.why_broken(why()).await)
        });
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(matches!(&same, ClientError::LetGo { path: at } if *at == path), "{same}");
        assert!(matches!(&other, ClientError::Io(_)), "{other}");
    }
}
