// Counts the words of standard input and prints the ten most frequent.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

static std::string line(unsigned count, const std::string &word)
{
    char text[96];
    std::snprintf(text, sizeof text, "%u %s", count, word.c_str());
    return std::string(text, std::strlen(text));
}

int main()
{
    std::map<std::string, unsigned> count;
    for (std::string word; std::cin >> word;)
        ++count[word];
    if (count.empty())
        throw std::runtime_error("no words");
    std::vector<std::pair<std::string, unsigned>> order(count.begin(), count.end());
    std::sort(order.begin(), order.end(), [](auto &a, auto &b) { return a.second > b.second; });
    for (std::size_t at = 0; at < order.size() && at < 10; ++at)
        std::cout << line(order[at].second, order[at].first) << '\n';
}
