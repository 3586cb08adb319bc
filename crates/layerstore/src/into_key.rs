use layerstore_record::{InvalidKey, Key};

/// What names a record: a text, or a [`Key`] made before.
pub trait IntoKey {
    /// Becomes the key.
    ///
    /// # Errors
    /// [`InvalidKey`] for an empty text or one of more than 1,024 bytes.
    fn into_key(self) -> Result<Key, InvalidKey>;
}

impl IntoKey for Key {
    fn into_key(self) -> Result<Key, InvalidKey> {
        Ok(self)
    }
}

impl IntoKey for &Key {
    fn into_key(self) -> Result<Key, InvalidKey> {
        Ok(self.clone())
    }
}

impl IntoKey for &str {
    fn into_key(self) -> Result<Key, InvalidKey> {
        Key::new(self)
    }
}

impl IntoKey for String {
    fn into_key(self) -> Result<Key, InvalidKey> {
        Key::new(self)
    }
}

impl IntoKey for &String {
    fn into_key(self) -> Result<Key, InvalidKey> {
        Key::new(self)
    }
}
