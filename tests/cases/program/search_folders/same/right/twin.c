/* One of two files of a name. */
const char *twin(void)
{
    return "right";
}
