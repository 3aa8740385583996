"""The device authority: keys, certificates, one-time tokens and the signed lists that carry its word.

A process and a folder of its own. The centre learns of kits and revocations only through the signed
handover (`provisioning.handover`); kits enrol over EST (`provisioning.est`).
"""
