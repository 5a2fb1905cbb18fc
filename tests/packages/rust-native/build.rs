fn main() {
    // Proves in the log that build scripts run in the build container, where there is no network.
    println!("cargo:warning=rust-native's build script runs");
}
