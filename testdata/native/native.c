/* A shared library of the build machine, not of WebAssembly: what a loader must recognise and refuse with a clear error.
 *
 * Owns: the source of native.so. Built by build-native.sh beside it. */
int native(void)
{
    return 1;
}
