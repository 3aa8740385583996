"""``zhixing-demo drill``: everything is killed, cut off and filled up at random, then every item is counted.

`plan` says what happens when (seeded), `ground` brings centre and kits up and keeps them up as systemd would, `load`
presses, answers and acknowledges as people do, `witness` writes down what each kit had on its card, `faults` carries
the plan out, `count` and `holes` compare the witness's book with the centre's, `report` prints it.
"""
