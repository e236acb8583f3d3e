/* Uses what two global libraries define. */
int which(void);

int used(void)
{
    return which() * 10;
}
