package probe
import ("testing";"net/netip";"fmt";"sort";"runtime";"golang.org/x/sys/unix"
"github.com/cilium/ebpf"
"github.com/mizar-net/mizar/dataplane"
"github.com/mizar-net/mizar/dataplane/state"
"github.com/mizar-net/mizar/bpf"
"github.com/mizar-net/mizar/sim/frame")
func A(s string) netip.Addr { return netip.MustParseAddr(s) }
func TestX(t *testing.T){
 runtime.LockOSThread(); var set unix.CPUSet; set.Set(1); unix.SchedSetaffinity(0,&set)
 in,err := NewInstrument(); if err!=nil{t.Fatal(err)}; defer in.Close()
 gw := state.MAC{2,0x4d,0x5a,0,0,100}; red := state.MAC{2,0,0,0,0,10}
 for _, v6 := range []bool{false,true} { for _, n := range []int{1,16384} {
 d,err := dataplane.Load(dataplane.Options{Limits: map[string]uint32{}}); if err!=nil{t.Fatal(err)}
 h := state.Host{Name:"h1",Addresses:[]netip.Addr{A("192.0.2.1")},MTU:1500,Peers:[]state.Peer{{Name:"h2",Addresses:[]netip.Addr{A("192.0.2.2")}}},
  VPCs: []state.VPC{{Name:"red",VNI:100}}, Subnets: []state.Subnet{{Name:"a",VNI:100,CIDRs:[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"),netip.MustParsePrefix("fd00::/64")},Gateways:[]netip.Addr{A("10.0.0.1"),A("fd00::1")},GatewayMAC:gw,Bouncers:[]string{"h2"}}},
  Endpoints: []state.Endpoint{{Name:"d/e",VNI:100,Subnet:"a",Addresses:[]netip.Addr{A("10.0.0.10"),A("fd00::10")},MAC:red,MTU:1400}}}
 if v6 { h.Addresses=[]netip.Addr{A("2001:db8::1")}; h.Peers[0].Addresses=[]netip.Addr{A("2001:db8::2")} }
 l := state.Local{UplinkIndex:1,Ports:map[string]uint32{"d/e":1},NextHops:map[netip.Addr]state.MAC{A("192.0.2.2"):{2,1,1,1,1,1},A("2001:db8::2"):{2,1,1,1,1,1}}}
 if _,err:=d.Apply(h,l);err!=nil{t.Fatal(err)}
 paths := d.PathsMap()
 s,_ := LoadFloors(); fl,err := ebpf.NewCollection(s); if err!=nil{t.Fatal(err)}
 var send, recv [][]byte
 for i:=0;i<n;i++ {
  src,dst := A("10.0.0.10"), netip.AddrFrom4([4]byte{10,0,byte(1+i>>8),byte(i)})
  if v6 { src=A("fd00::10"); b:=A("fd00::").As16(); b[14]=byte(1+i>>8); b[15]=byte(i); dst=netip.AddrFrom16(b) }
  f,err := frame.Build(frame.Spec{Kind:frame.UDP,SrcMAC:red,DstMAC:gw,Src:src,Dst:dst,SrcPort:1000,DstPort:uint16(2000),Payload:make([]byte,100)}); if err!=nil{t.Fatal(err)}
  send=append(send,f)
  k := bpf.RowAddrKey{Vni:100,Addr:dst.As16()}
  if err := paths.Put(k,bpf.RowPath{Host:1,State:2}); err!=nil{t.Fatal(err)}
  if err := fl.Maps["floor_lru"].Put(k,bpf.RowPath{Host:1,State:2}); err!=nil{t.Fatal(err)}
  if err := fl.Maps["floor_hash"].Put(k,make([]byte,56)); err!=nil{t.Fatal(err)}
  os,od := A("192.0.2.2"),A("192.0.2.1"); if v6 {os,od=A("2001:db8::2"),A("2001:db8::1")}
  f,err = frame.Build(frame.Spec{Kind:frame.UDP,SrcMAC:red,DstMAC:gw,Src:dst,Dst:src,SrcPort:1000,DstPort:uint16(2000),Payload:make([]byte,100),Tunnel:&frame.Tunnel{Src:os,Dst:od,VNI:100,Options:frame.Options{Identity:&frame.Identity{}}}}); if err!=nil{t.Fatal(err)}
  recv=append(recv,f)
 }
 k := bpf.RowAddrKey{Vni:100,Addr:A("10.0.0.10").As16()}; fl.Maps["floor_hash"].Put(k,make([]byte,56))
 k = bpf.RowAddrKey{Vni:100,Addr:A("fd00::10").As16()}; fl.Maps["floor_hash"].Put(k,make([]byte,56))
 fam := "4"; if v6 {fam="6"}
 type c struct{name string; p *ebpf.Program; fr [][]byte}
 cs := []c{{"base-send",nil,send},{"parse",fl.Programs["parse"+fam],send},{"sendfloor",fl.Programs["send"+fam],send},{"endpoint",d.Endpoint(),send},{"base-recv",nil,recv},{"recvfloor",fl.Programs["receive"+fam],recv},{"uplink",d.Uplink(),recv}}
 res := map[string][]float64{}
 for r:=0;r<15;r++ { for _,x := range cs { if err:=in.Load(x.fr);err!=nil{t.Fatal(err)}; o,err := in.Run(x.p, 200000); if err!=nil{t.Fatal(err)}; res[x.name]=append(res[x.name],o.Gross); if r==0 {pk,_:=frame.Decode(o.Frame);fmt.Println(x.name,o.Action,pk.String())} } }
 med := func(s string)(float64,float64){v:=res[s];sort.Float64s(v);return v[0],v[len(v)/2]}
 for _,x := range cs { p,m := med(x.name); b:="base-send"; if x.name=="uplink"||x.name=="recvfloor" {b="base-recv"}; bp,bm:=med(b); fmt.Printf("v6=%v n=%d %-10s gross %.1f/%.1f net %.1f/%.1f\n",v6,n,x.name,p,m,p-bp,m-bm) }
 d.Close(); fl.Close()
 }}
}
