module example.org/rocketaudit/programs

go 1.21
