"""A model's graph on a server beside the lanes, by the Open Inference Protocol (KServe V2), over HTTP or gRPC.

Only tensors travel: what comes before and after them stays here, as the package's manifest says. A server is believed
once its answers to the package's golden pictures are the local graph's, and for as long as it answers in time and in
shape; otherwise the local graph judges at once. Nothing here is loaded where no server is configured.
"""
