/* A shared library with two functions. */
#include <stddef.h>

unsigned rocket_checksum(const unsigned char *bytes, size_t count)
{
    unsigned sum = 1;

    while (count--)
        sum = sum * 31 + *bytes++;
    return sum;
}

const char *rocket_version(void)
{
    return "rocket 1.0";
}
