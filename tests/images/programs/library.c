/* A shared library with two functions. */
#include <string.h>

unsigned rocket_checksum(const char *words)
{
    char copy[64];
    unsigned sum = 1;

    if (strlen(words) >= sizeof copy)
        return 0;
    strcpy(copy, words);
    for (const char *at = copy; *at != '\0'; ++at)
        sum = sum * 31 + (unsigned char)*at;
    return sum;
}

const char *rocket_version(void)
{
    return "rocket 1.0";
}
